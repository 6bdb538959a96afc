"""The README's examples, run as they stand there, but for the port; their output is what the README says.

A number may differ in its last digits from processor to processor; "…" stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.kit.fleet import Fleet
from tests.kit.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+")
TOLERANCE = {"float32": 2e-5, "bfloat16": 5e-3}


def assert_shows(printed: str, expected: str, tolerance: float) -> None:
    """Compare line by line: the text between numbers to the letter, numbers with decimals within a tolerance."""
    pattern = (
        re.escape(NUMBER.sub("<number>", expected.rstrip("\n")))
        .replace("…", ".*")
        .replace("<number>", r"(-?\d+\.\d+(?:e-\d+)?)")
    )
    found = re.fullmatch(pattern, printed.replace("\r", "").rstrip("\n"), flags=re.DOTALL)
    assert found, f"expected:\n{expected}\nprinted:\n{printed[:2000]}"
    for given, promised in zip(found.groups(), NUMBER.findall(expected), strict=True):
        decimals = len(promised.partition(".")[2])
        assert abs(float(given) - float(promised)) <= max(tolerance, 1.01 * 10**-decimals), (given, promised)


def tolerance(fleet: Fleet) -> float:
    """What a vector's numbers may differ by, in the precision that this processor is served in."""
    return TOLERANCE[fleet.ask("/info").json["precision"]]


def run(fleet: Fleet, command: list[str], source: str = "") -> str:
    environ = os.environ | {"NO_PROXY": "*", "no_proxy": "*"}
    ran = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, env=environ)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_readme_has_examples() -> None:
    assert len(CONSOLE) >= 5
    assert len(PYTHON) >= 1


@pytest.mark.parametrize(("command", "expected"), CONSOLE)
def test_console_examples(fleet: Fleet, command: str, expected: str) -> None:
    printed = run(fleet, ["bash", "-c", command.replace("localhost:8000", f"127.0.0.1:{fleet.port}")])
    assert_shows(printed, expected, tolerance(fleet))


@pytest.mark.parametrize(("source", "expected"), PYTHON)
def test_python_examples(fleet: Fleet, source: str, expected: str) -> None:
    printed = run(fleet, [sys.executable, "-"], source.replace("localhost:8000", f"127.0.0.1:{fleet.port}"))
    assert_shows(printed, expected, tolerance(fleet))


def test_every_make_command_in_the_readme_is_a_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = set(re.findall(r"(?:`|^|\s)make ([a-z-]+)(?:`|$)", README, flags=re.MULTILINE))
    assert {"run", "test", "lint", "help", "settings"} <= named <= set(targets)
