"""Imports run one way, from right to left:

version, errors, request_errors ← names, keys, wanted ← settings ← encoder, fleet ← server ← web ← app
← process, command.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path("app")
BELOW = {"app.errors", "app.request_errors", "app.version", "app.names"}
SETTINGS = {"app.settings", "app.keys"}
ALLOWED = {
    "app.version": set(),
    "app.errors": set(),
    "app.request_errors": set(),
    "app.names": {"app.errors", "app.version"},
    "app.keys": {"app.errors"},
    "app.wanted": {"app.keys"},
    "app.settings": BELOW | {"app.keys", "app.wanted"},
    "app.encoder": BELOW | {"app.settings", "app.encoder"},
    "app.fleet": BELOW | {"app.settings", "app.fleet"},
    "app.web": BELOW | SETTINGS | {"app.encoder", "app.fleet", "app.server", "app.web"},
    "app.bulk": BELOW | {"app.settings", "app.encoder", "app.bulk"},
    "app.capacity": BELOW | {"app.settings", "app.encoder", "app.fleet", "app.capacity"},
    "app.command": BELOW
    | {"app", "app.settings", "app.encoder", "app.fleet", "app.bulk", "app.capacity", "app.process", "app.command"},
    "app.__main__": {"app.command"},
    "app.server": BELOW | {"app.fleet", "app.server"},
    "app.process": BELOW | SETTINGS | {"app", "app.encoder", "app.fleet", "app.web", "app.server", "app.process"},
}
HEAVY = {"torch", "transformers", "sentence_transformers", "numpy"}
FORBIDDEN = {
    "app.web": HEAVY,
    "app.fleet": HEAVY | {"flask", "werkzeug"},
    "app.encoder": {"flask", "werkzeug", "gunicorn", "prometheus_client"},
    "app.server": HEAVY | {"flask", "werkzeug"},
    "app.process": HEAVY,
    "app.bulk": {"flask", "werkzeug", "gunicorn", "torch", "click"},
    "app.capacity": HEAVY | {"flask", "werkzeug", "gunicorn", "click"},
    "app.command": {"torch", "numpy"},
    "app.__main__": HEAVY,
    "app.settings": HEAVY | {"flask"},
    "app.keys": HEAVY | {"flask"},
    "app.wanted": HEAVY | {"flask"},
    "app.errors": HEAVY | {"flask"},
    "app.request_errors": HEAVY | {"flask"},
    "app.names": HEAVY | {"flask"},
    "app.version": HEAVY | {"flask"},
}


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(path: Path) -> set[str]:
    """What a module imports, for types alone, too; a name that is a module by the module's name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.parent.parts[: len(path.parent.parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (package, node.module)))
            assert node.level or module.split(".")[0] != "app", f"{path}: once installed there is no `app`"
            inside = {f"{module}.{alias.name}" for alias in node.names}
            modules = inside & set(NAMES)
            names |= modules | ({module} if inside - modules else set())
    return names


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = [path for path in NAMES.values() if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    own = room(name_of(path))
    for name in imported(path):
        if name.split(".")[0] == "app":
            assert room(name) in ALLOWED[own], f"{path} imports {name}"
        assert name.split(".")[0] not in FORBIDDEN[own], f"{path} imports {name}"


def test_no_arrow_runs_back() -> None:
    """Of two modules of a room, too, one at most knows the other, however far apart."""
    below = {name: imported(path) & set(NAMES) - {name} for name, path in NAMES.items() if name != "app"}
    while below:
        ready = [name for name, known in below.items() if not known & set(below)]
        assert ready, f"these know each other in a circle, or above it: {sorted(below)}"
        below = {name: known for name, known in below.items() if name not in ready}


def test_the_walk_sees_imports() -> None:
    assert {"torch", "app.encoder.model"} <= imported(ROOT / "encoder" / "torch_engine.py")
    assert len(MODULES) > 20


def test_create_app_imports_nothing_heavy() -> None:
    code = """if True:
        import app, sys
        from app import settings
        app.create_app(settings.load())
        print(sorted({'torch', 'transformers'} & set(sys.modules)))"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_command_is_there_before_anything_that_reads_how_many_threads_it_may_start() -> None:
    code = "import app.command, sys; print(sorted({'numpy', 'torch', 'tokenizers'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
