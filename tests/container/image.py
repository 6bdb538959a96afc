"""The Containerfile built as it stands, on a base that debootstrap makes: nothing is pulled from a registry.

The mirror is apt's own. What pip wants to know of this machine (certificates) is lent to the build, and not kept.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.places import ROOT

BASE, IMAGE = "localhost/base", "localhost/serve-bert"
# Beside minbase: what the Containerfile asks of a base.
PACKAGES = "python3,python3-venv,ca-certificates"
LONGEST_S = 1200
CERTIFICATES = "/etc/ssl/certs"


@dataclass(frozen=True)
class Image:
    """A built image, unpacked."""

    root: Path
    config: dict[str, Any]
    """As the image has it: Env, User, Entrypoint, Healthcheck, Labels."""
    base_bytes: int
    """Of what the base has already."""

    @property
    def environ(self) -> dict[str, str]:
        return dict(one.split("=", 1) for one in self.config["Env"])


class Builder:
    """Buildah, with its storage in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._command = ["buildah", "--storage-driver", "vfs", "--root", str(folder / "storage")]
        self._command += ["--runroot", str(folder / "run")]

    def image(self, **arguments: str) -> Image:
        """Build both, with these build arguments."""
        base = self._folder / "base"
        debootstrap(base)
        working = self._run("from", "scratch")
        self._run("copy", "--quiet", working, f"{base}/", "/")
        self._run("commit", "--quiet", "--format", "docker", "--rm", working, BASE)
        base_bytes = size_bytes(base)
        shutil.rmtree(base)
        flags = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--volume"]
        flags += [f"{CERTIFICATES}:{CERTIFICATES}:ro", "--build-arg", f"BASE={BASE}"]
        flags += [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        self._run("bud", "--quiet", *flags, "-t", IMAGE, "-f", str(ROOT / "config/deploy/Containerfile"), str(ROOT))
        working = self._run("from", "--pull-never", IMAGE)
        told = json.loads(self._run("inspect", "--type", "image", IMAGE))
        return Image(Path(self._run("mount", working)), told["Docker"]["config"], base_bytes)

    def remove(self) -> None:
        """Everything, mounts included."""
        self._run("umount", "--all")
        self._run("rm", "--all")

    def _run(self, *words: str) -> str:
        ran = subprocess.run([*self._command, *words], capture_output=True, text=True, timeout=LONGEST_S, check=False)
        assert ran.returncode == 0, f"buildah {words[0]}: {ran.stdout[-2000:]}{ran.stderr[-3000:]}"
        return ran.stdout.strip()


def debootstrap(folder: Path) -> None:
    """A Debian of this machine's release."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(folder), mirror(release)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:]
    for left in (folder / "var/cache/apt/archives").glob("*.deb"):
        left.unlink()


def mirror(release: str) -> str:
    """Where apt gets this release's packages from."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    ran = subprocess.run(targets, capture_output=True, text=True, check=True)
    wanted = f" {release} main"
    return next(line.removesuffix(wanted) for line in ran.stdout.splitlines() if line.endswith(wanted))


def size_bytes(folder: Path) -> int:
    """On disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
