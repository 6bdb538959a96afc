"""Run an image's command as Kubernetes would: `python jail.py ROOT COMMAND…`, in namespaces that `unshare` made.

The root is read-only, /tmp is memory, the user is the image's, without any capability, and there is no network but a
loopback of its own. The environment is this process's. Nothing but Python is needed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

USER = 65532
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
DEVICES = ("null", "zero", "random", "urandom")


def mount(*words: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", *words], check=True)


def main() -> None:
    root, command = sys.argv[1], sys.argv[2:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("--bind", root, root)
    mount("-o", "remount,bind,ro", root)
    mount("-t", "tmpfs", "-o", "size=64m,mode=1777", "tmpfs", f"{root}/tmp")
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
    os.setgid(USER)
    os.setuid(USER)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    os.execvpe(command[0], command, os.environ)


if __name__ == "__main__":
    main()
