"""What one writes in ten minutes: Flask, gunicorn's default workers, `SentenceTransformer.encode` in each of ten."""

from __future__ import annotations

from tests.bench.peers import Peer, gunicorn, model_environ, one_text_or_many


def peers() -> list[Peer]:
    """With one torch thread a worker; torch's default is a factor slower with ten workers."""
    return [
        Peer(
            key="flask",
            name="plain Flask",
            command=gunicorn("plain_flask:app"),
            body=one_text_or_many,
            environ=model_environ() | {"OMP_NUM_THREADS": "1"},
        )
    ]
