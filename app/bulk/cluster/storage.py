"""Files by their names, here or on object storage: what pyarrow's filesystems name (`s3://…`), or a path."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import pyarrow
from pyarrow import fs

from ...errors import BulkError
from ..whole import write_whole

READ_BYTES = 1 << 20
PARTIAL = ".partial"


class Location:
    """A file or a folder, by its URI, which may have a query (`s3://bucket/key?endpoint_override=…`), or its path."""

    def __init__(self, uri: str) -> None:
        """Raises BulkError if no filesystem has such names."""
        # Another process, on another machine, may stand in another folder.
        self.uri = uri if is_uri(uri) else str(Path(uri).absolute())
        if not is_uri(uri):
            self.files, self.path = fs.LocalFileSystem(), self.uri
            return
        try:
            self.files, self.path = fs.FileSystem.from_uri(uri)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise BulkError(f"{shown(uri)}: {error}") from None

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine, or one that is mounted."""
        return isinstance(self.files, fs.LocalFileSystem)

    def below(self, name: str) -> Location:
        """A file of this folder."""
        before, mark, query = self.uri.partition("?") if is_uri(self.uri) else (self.uri, "", "")
        return Location(f"{before.rstrip('/')}/{name}{mark}{query}")

    def info(self) -> Any:
        """Type, size and time. Raises BulkError if it cannot be asked for."""
        with telling(self.uri):
            return self.files.get_file_info(self.path)

    def listed(self) -> list[Any]:
        """All files of this folder and of those in it; none if there is no such folder. Raises BulkError."""
        with telling(self.uri):
            found = self.files.get_file_info(fs.FileSelector(self.path, recursive=True, allow_not_found=True))
            return [one for one in found if one.type == fs.FileType.File]

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """To read from any place. Raises BulkError."""
        with telling(self.uri), self.files.open_input_file(self.path) as file:
            yield cast("BinaryIO", io.BufferedReader(file, READ_BYTES))

    def read(self) -> bytes | None:
        """All of it; None if it is not there. Raises BulkError."""
        if not self.is_there():
            return None
        with self.opened() as file:
            return file.read()

    def write(self, content: bytes) -> None:
        """Whole or not at all: by renaming, or, on object storage, by one put. Raises BulkError."""
        with telling(self.uri):
            if self.is_local:
                path = Path(self.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                # A name that readers of a folder leave out; each process has its own.
                write_whole(path, content, path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}{PARTIAL}"))
                return
            with self.files.open_output_stream(self.path) as stream:
                stream.write(content)

    def is_there(self) -> bool:
        """Whether there is such a file. Raises BulkError."""
        return bool(self.info().type == fs.FileType.File)

    def remove(self) -> None:
        """A folder and all that is in it, if there is one. Raises BulkError."""
        with telling(self.uri):
            if self.info().type == fs.FileType.Directory:
                self.files.delete_dir(self.path)


def is_uri(name: str) -> bool:
    """Whether it names a filesystem, too."""
    return "://" in name


def shown(uri: str) -> str:
    """As people may see it, and files keep it: without the keys and options that it may carry."""
    if not is_uri(uri):
        return uri
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def telling(uri: str) -> Iterator[None]:
    """What a filesystem says becomes a BulkError with one line."""
    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BulkError(f"{shown(uri)}: {said}") from None
