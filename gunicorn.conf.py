"""What gunicorn reads where it is started in this folder, and reads again at a reload (HUP): see app/process/.

gunicorn takes every global here whose name is one of its settings. A command-line flag (-w, -b, …) overrides it.
"""

from app import process

globals().update(process.configuration())
