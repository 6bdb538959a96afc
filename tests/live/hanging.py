"""A fleet whose workers hang over one text, and take a second for each look that they get over another."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.fleet import GUNICORN, Fleet, serving
from tests.kit.places import ROOT

HANGING = """
import time
exec(compile(open({configuration!r}).read(), {configuration!r}, "exec"))
healthy = post_worker_init
def post_worker_init(worker):
    healthy(worker)
    encoder = worker.wsgi.extensions["serve-bert"].encoder
    encode = encoder.encode
    def odd(texts, *options, **more):
        while texts == ["hang"]:
            time.sleep(0.1)
        while texts == ["look"]:
            time.sleep(0.1)
            more["bounds"].look()
        return encode(texts, *options, **more)
    worker.wsgi.extensions["serve-bert"].encoder.encode = odd
"""


@contextmanager
def hanging(folder: Path, workers: int = 2, **environ: str) -> Iterator[Fleet]:
    configuration = folder / "hanging.conf.py"
    configuration.write_text(HANGING.format(configuration=str(ROOT / "gunicorn.conf.py")))
    command = [GUNICORN[0], "-c", str(configuration), GUNICORN[1]]
    with serving(workers, command, ROOT, **environ) as fleet:
        yield fleet


def begun(fleet: Fleet, text: str, **headers: str) -> http.client.HTTPConnection:
    """A client that has asked, and waits."""
    client = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=30)
    body = json.dumps({"text": text})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client.request("POST", "/predict", body, {"Content-Type": "application/json", **named})
    time.sleep(0.2)
    return client
