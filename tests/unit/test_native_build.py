"""The kernel is compiled by whatever C compiler there is, and done without where there is none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from app.encoder.native import build, library
from tests.native_models import bits, forward_of, small_model, vectors

ROOT = Path(__file__).parents[2]
# cc is one of the others by another name, and compiles the kernel of the wheel in tests/live/test_installed.py.
COMPILERS = {Path(found).resolve(): name for name in reversed(build.COMPILERS) if (found := shutil.which(name))}
OTHERS = [name for path, name in COMPILERS.items() if path != Path(shutil.which(build.COMPILERS[0]) or "").resolve()]


@pytest.mark.long
@pytest.mark.skipif(not COMPILERS, reason="there is no C compiler here")
@pytest.mark.parametrize("compiler", OTHERS)
def test_every_compiler_builds_it(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler)
    build.build(tmp_path / build.NAME, "-Werror")
    assert [path.name for path in tmp_path.iterdir()] == [build.NAME]
    assert bits_by_path(tmp_path / build.NAME) == bits_by_path(library.LIBRARY)


@pytest.mark.skipif(not COMPILERS, reason="there is no C compiler here")
@pytest.mark.parametrize("compiler", COMPILERS.values())
def test_our_flags_keep_a_compiler_s_fault_away(compiler: str, tmp_path: Path) -> None:
    flags = [flag for flag in build.FLAGS if not flag.startswith(("-g", "-fPIC", "-fvis"))]
    program = tmp_path / "program"
    subprocess.run([compiler, *flags, "tests/data/gcc12_o3.c", "-o", str(program)], check=True)
    assert subprocess.run([program], check=False).returncode == 0


def test_a_template_opens_with_its_contract() -> None:
    """What it needs, and what it gives: which then stands in it."""
    templates = sorted((ROOT / "app/encoder/native/kernel").glob("*.inc"))
    assert len(templates) >= 20
    for path in templates:
        opening, _, code = path.read_text().partition("*/")
        if "includes this has said" in opening:
            continue
        given = re.search(r"^ \* Needs .*?^ \* Gives (.*)\.", opening, flags=re.MULTILINE | re.DOTALL)
        assert given, path.name
        named = re.findall(r"[A-Z][A-Z_]{3,}|\b[a-z0-9]+_\w+", given[1])
        assert [name for name in named if not re.search(rf"\b{name}\b", code)] == [], path.name


def bits_by_path(path: Path) -> dict[str, bytes]:
    """What a library's every path makes of some texts; compilers may order a sum only as the source has it."""
    model, found = small_model(128, 32, 192), {}
    with patch.object(library, "load", partial(library.load, path)):
        for precision in library.PRECISIONS:
            weights, texts = model.weights(precision), model.texts([1, 6, 13, 33])
            for isa in library.paths():
                found[f"{isa} {precision}"] = bits(vectors(forward_of(model, weights, isa), texts))
    return found


def test_a_compiler_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named, sentence in {
        "no-such-compiler": "the C compiler cannot be run: ",
        "false": "false cannot compile the kernel:",
        "true": "the C compiler cannot be run: ",
        "'gcc": "CC is no command: No closing quotation",
    }.items():
        monkeypatch.setenv("CC", named)
        with pytest.raises(build.NoCompilerError) as caught:
            build.build(tmp_path / build.NAME)
        assert str(caught.value).startswith(sentence)
        assert not list(tmp_path.iterdir())


def test_no_compiler_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.NoCompilerError, match=r"^there is no C compiler here \(on Debian: gcc and libc6-dev\)$"):
        build.build(tmp_path / build.NAME)


def test_a_build_by_hand_without_compiler_ends_well_and_says_so(tmp_path: Path) -> None:
    """`make install` goes on then: sentence-transformers may serve. A path that was asked for is missed."""
    script = ROOT / "app" / "encoder" / "native" / "build.py"
    copy = tmp_path / "build.py"
    copy.write_text(script.read_text())
    for arguments, code in (([], 0), ([tmp_path / "kernel.so"], 1)):
        ran = subprocess.run(
            [sys.executable, copy, *arguments], env={"PATH": str(tmp_path)}, capture_output=True, text=True
        )
        assert (ran.returncode, ran.stdout) == (code, "")
        assert ran.stderr == ("The kernel was not built: there is no C compiler here (on Debian: gcc and libc6-dev).\n")
