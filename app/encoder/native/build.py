"""Compiles the kernel with the system's C compiler: `python app/encoder/native/build.py`, or a wheel being built.

Only the standard library is used, and nothing of the project is imported: setuptools loads this file by itself, in an
environment that has nothing else. No -march: each file of the kernel names the instruction set it is for, and the
choice is made at run time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "libbert.so"
COMPILERS = ("cc", "gcc", "clang")
# -O2, not more: gcc 12 at -O3 vectorizes the plain path's bfloat16 loops into wrong results (tests/data/gcc12_o3.c).
# Products and sums are fused where the source says so and nowhere else, so that all paths round alike.
FLAGS = (
    *("-std=c11", "-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"),
    *("-D_POSIX_C_SOURCE=199309L", "-Wall", "-Wextra", "-Wshadow"),
)
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
# For processors with AVX2 and without AVX-512: kernel/emulated.h, which needs SIMDe (Debian: libsimde-dev).
EMULATED = ("-DKERNEL_EMULATED", "-mavx2", "-mfma", "-Wno-psabi")
# The tile unit (AMX) alone in plain C, for tests on processors that lack it, and for sanitizers, which see no assembly.
EMULATED_TILES = ("-DKERNEL_EMULATED_TILES",)
# For a compiler or assembler that does not know the tile unit: it costs that path alone.
WITHOUT_TILES = "-DKERNEL_WITHOUT_TILES"


class NoCompilerError(Exception):
    """There is no C compiler, or it cannot compile the kernel; the sentence says which."""


def build(target: Path, *extra: str) -> bool:
    """Compile the kernel to `target`, whole or not at all; whether with the tile path. Raises NoCompilerError."""
    try:
        _compile(target, *extra)
    except NoCompilerError as error:
        try:
            _compile(target, WITHOUT_TILES, *extra)
        except NoCompilerError:
            raise error from None
        return False
    return True


def _compile(target: Path, *extra: str) -> None:
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    command = [*compiler(), *FLAGS, *extra]
    try:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            sources = sorted((HERE / "kernel").glob("*.c"))
            objects = [str(Path(folder, source.stem + ".o")) for source in sources]
            jobs = [[*command, "-c", str(source), "-o", made] for source, made in zip(sources, objects, strict=True)]
            list(pool.map(_run, jobs))
            _run([*command, "-shared", "-o", str(temporary), *objects, "-lm"])
        temporary.replace(target)
    except OSError as error:
        raise NoCompilerError(f"the C compiler cannot be run: {error}") from None
    except subprocess.CalledProcessError as error:
        raise NoCompilerError(f"{shlex.join(command[:1])} cannot compile the kernel:\n{error.stderr}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the user's compiler


def compiler() -> list[str]:
    """The command in CC, else the first C compiler on the path. Raises NoCompilerError."""
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NoCompilerError(f"CC is no command: {error}") from None
    if named:
        return named
    found = next((path for path in map(shutil.which, COMPILERS) if path), None)
    if found is None:
        raise NoCompilerError("there is no C compiler here (on Debian: gcc and libc6-dev)")
    return [found]


def main(arguments: list[str]) -> None:
    """Build where the engine looks for it, or at the path given, with further flags after it."""
    target = Path(arguments[0]) if arguments else HERE / NAME
    try:
        if not build(target, *arguments[1:]):
            sys.stderr.write("The kernel was built without its path for AMX, which this compiler does not know.\n")
    except NoCompilerError as error:
        sys.stderr.write(f"The kernel was not built: {error}.\n")
        sys.exit(1 if arguments else 0)


if "setuptools" in sys.modules:
    from setuptools.command.bdist_wheel import bdist_wheel
    from setuptools.command.build_py import build_py

    class BuildPy(build_py):  # type: ignore[misc]
        """The Python files, and the kernel beside them."""

        def run(self) -> None:
            """Build both; without a compiler the package is built without the kernel, and says so."""
            super().run()
            folder = Path(self.build_lib) / "serve_bert" / "encoder" / "native"
            try:
                if not build(folder / NAME):
                    self.warn("the kernel was built without its path for AMX, which this compiler does not know")
            except NoCompilerError as error:
                self.warn(f"the kernel was not built: {error}")

    class BdistWheel(bdist_wheel):  # type: ignore[misc]
        """A wheel for this platform and any Python: the kernel is reached through ctypes."""

        def finalize_options(self) -> None:
            """Not a wheel for any machine."""
            self.distribution.has_ext_modules = lambda: True
            super().finalize_options()

        def get_tag(self) -> tuple[str, str, str]:
            """No Python's ABI, but the platform's."""
            return "py3", "none", super().get_tag()[2]


if __name__ == "__main__":
    main(sys.argv[1:])
