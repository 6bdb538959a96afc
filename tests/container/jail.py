"""Run an image's command as Kubernetes would: `python jail.py ROOT SPEC COMMAND…`, in namespaces that `unshare` made.

SPEC, a JSON object, has the `user`, and in `memory` the folders that are memory, with their sizes in bytes. The root is
read-only, without any capability, and there is no network but a loopback of its own. The environment is this process's.
Nothing but Python is needed.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
DEVICES = ("null", "zero", "random", "urandom")


def mount(*words: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", *words], check=True)


def main() -> None:
    root, spec, command = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("--bind", root, root)
    mount("-o", "remount,bind,ro", root)
    for folder, size_bytes in spec["memory"].items():
        mount("-t", "tmpfs", "-o", f"size={size_bytes},mode=1777", "tmpfs", root + folder)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", f"{root}/dev")
    for name in DEVICES:
        Path(root, "dev", name).touch()
        mount("--bind", f"/dev/{name}", f"{root}/dev/{name}")
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(int(LAST_CAPABILITY.read_text()) + 1):
        if library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"capability {capability}")
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setgid(spec["user"])
    os.setuid(spec["user"])
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    os.execvpe(command[0], command, os.environ)


if __name__ == "__main__":
    main()
