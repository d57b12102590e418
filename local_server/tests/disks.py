"""Small disks, and full ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_server.tests.support import require


@contextmanager
def file_system(folder: Path, size: str) -> Iterator[None]:
    """A small disk."""
    require(os.geteuid() == 0 and sys.platform == "linux", "mounting a small file system needs root on Linux")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
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
