"""What gunicorn reads where it is started in this folder, and reads again at a reload (HUP): see app/process/.

gunicorn takes every global here whose name is one of its settings. A command-line flag (-w, -b, …) overrides it.
"""

import sys
from pathlib import Path

# Started elsewhere, with `-c` and this file's path, gunicorn would not find our package, or find somebody else's.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from app import process

globals().update(process.configuration())
