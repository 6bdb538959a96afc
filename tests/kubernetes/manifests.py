"""The manifests of config/deploy/kubernetes, as they stand and as an overlay gives them, and what their schemas say."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.kit.places import ROOT, SERVING

FOLDER = ROOT / "config" / "deploy" / "kubernetes"
OVERLAYS = ("laptop", "production")
# The oldest that knows all that is asked for, and the newest that there is a schema of.
VERSIONS = ("1.27", "1.37")
CHECK = SERVING / "kubernetes-js" / "check.mjs"
OTHERS = {"ScaledObject", "PodMonitor"}
TIMEOUT_S = 120

Document = dict[str, Any]


def has_kustomize() -> bool:
    """Whether kubectl can render these overlays: from 1.21 on it tells the version of its kustomize."""
    if not shutil.which("kubectl"):
        return False
    ran = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, check=False)
    return ran.returncode == 0 and "kustomizeVersion" in json.loads(ran.stdout)


@cache
def rendered(overlay: str) -> tuple[Document, ...]:
    """What `kubectl apply -k` would send."""
    command = ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return tuple(yaml.safe_load_all(ran.stdout))


@cache
def files() -> dict[str, Document]:
    """Each resource as it stands, by its file's name."""
    paths = [path for path in sorted(FOLDER.rglob("*.yaml")) if path.name != "kustomization.yaml"]
    return {path.name: yaml.safe_load(path.read_text()) for path in paths}


def kustomization(folder: Path) -> Document:
    found: Document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def documents() -> dict[str, Document]:
    """All that can be looked at here, by a name for the test."""
    found = dict(files())
    if has_kustomize():
        for overlay in OVERLAYS:
            found |= {f"{overlay}/{one['kind']}": one for one in rendered(overlay)}
    return found


def complaints(wanted: list[Document], version: str) -> list[list[str]]:
    """What its schema says against each document: Kubernetes' of that version, or the kind's own."""
    told = iter(_others([one for one in wanted if one["kind"] in OTHERS]))
    return [next(told) if one["kind"] in OTHERS else _own(one, version) for one in wanted]


def _own(document: Document, version: str) -> list[str]:
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


def _others(wanted: list[Document]) -> list[list[str]]:
    ran = subprocess.run(
        ["node", str(CHECK)], input=json.dumps(wanted), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found: list[list[str]] = json.loads(ran.stdout)
    return found


def misspelt(value: Any, free: frozenset[str], within: str = "") -> Iterator[tuple[str, Any]]:
    """Copies of a document, each with a key that has a letter too many, by the key's path.

    `free`: names and paths below which any key is right.
    """
    if isinstance(value, list):
        for index, one in enumerate(value):
            for path, changed in misspelt(one, free, f"{within}{index}."):
                yield path, [*value[:index], changed, *value[index + 1 :]]
    if isinstance(value, dict):
        for key, one in value.items():
            path = within + key
            yield path, {f"{name}x" if name == key else name: two for name, two in value.items()}
            if key not in free and path not in free:
                yield from ((name, value | {key: changed}) for name, changed in misspelt(one, free, f"{path}."))
