"""Imports run one way: settings, errors ← encoder, fleet ← web ← app; no torch in the web rooms, no Flask elsewhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path("app")
ALLOWED = {
    "app.errors": set(),
    "app.settings": {"app.errors"},
    "app.encoder": {"app.errors", "app.settings", "app.encoder"},
    "app.fleet": {"app.errors", "app.settings", "app.fleet"},
    "app.web": {"app", "app.errors", "app.settings", "app.encoder", "app.fleet", "app.web"},
}
HEAVY = {"torch", "transformers", "sentence_transformers", "numpy"}
FORBIDDEN = {
    "app.web": HEAVY,
    "app.fleet": HEAVY | {"flask", "werkzeug"},
    "app.encoder": {"flask", "werkzeug", "gunicorn", "prometheus_client"},
    "app.settings": HEAVY | {"flask"},
    "app.errors": HEAVY | {"flask"},
}


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"app.{alias.name}" for alias in node.names} if node.module == "app" else {str(node.module)}
    return names


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    own = room(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    for name in imported(path):
        if name.split(".")[0] == "app" and name != "app.__version__":
            assert room(name) in ALLOWED[own], f"{path} imports {name}"
        assert name.split(".")[0] not in FORBIDDEN[own], f"{path} imports {name}"


def test_the_walk_sees_imports() -> None:
    assert "torch" in imported(ROOT / "encoder" / "torch_engine.py")
    assert len(MODULES) > 20


def test_create_app_imports_nothing_heavy() -> None:
    code = "import app, sys; app.create_app(); print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
