"""Small disks, and full ones."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_server.tests.support import require

CLONE_NEWNS = 0x00020000


@contextmanager
def file_system(folder: Path, size: str) -> Iterator[None]:
    """A small disk that only this thread and what it starts can see, so that it is gone when they are killed."""
    require(os.geteuid() == 0 and sys.platform == "linux", "mounting a small file system needs root on Linux")
    require(ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0, "this machine allows no namespace of mounts")
    for arguments in (["--make-rprivate", "/"], ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]):
        mounted = subprocess.run(["mount", *arguments], check=False)
        require(mounted.returncode == 0, "this machine allows no mounts")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    assert shutil.disk_usage(path.parent).free == 0
