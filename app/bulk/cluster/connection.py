"""To a Ray cluster and back: connect, ask for one thing, and have what goes wrong there as one line."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.data
import ray.exceptions

from ...errors import BulkError

LOCAL = "local"
LISTENS_S = 10.0
# Of a core: what tasks ask for, so that they find room beside actors that have all cores, and beside other jobs.
TASK_CORES = 0.01


def connect(address: str) -> None:
    """To a cluster; LOCAL: one of this machine, for this process. Raises BulkError."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A worker of Ray's complains to standard error, of what comes to nothing here (ray-project/ray#53727).
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    _check_somebody_listens(address)
    if address == LOCAL:
        options["include_dashboard"] = False
    try:
        with _silent():
            ray.init(address, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BulkError(f"--ray {address}: {' '.join(str(error).split())}") from None
    ray.data.DataContext.get_current().enable_progress_bars = False


def _check_somebody_listens(address: str) -> None:
    """Ray would wait for minutes. Raises BulkError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), LISTENS_S).close()
    except (OSError, OverflowError) as error:
        raise BulkError(f"--ray {address}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _silent() -> Iterator[None]:
    """What libraries in C++ write to standard error goes nowhere; an exception tells what fails."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def asked_one(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns on some machine. Raises BulkError."""
    return next(told(lambda: iter([ray.get(ray.remote(num_cpus=TASK_CORES)(function).remote(*arguments))])))


def told(rows: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """What went wrong on a cluster, as one line."""
    try:
        yield from rows()
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, BulkError):
            raise BulkError(str(cause)) from None
        raise BulkError(f"{type(cause).__name__}: {' '.join(str(cause).split())[-300:]}") from None
    except (ray.exceptions.RayError, ConnectionError) as error:
        said = " ".join(str(error).split())[:300]
        raise BulkError(f"the cluster: {type(error).__name__}: {said}; the same command goes on") from None
