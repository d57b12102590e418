"""How much memory the server may use: a container has less than its machine."""

import os
from pathlib import Path

import pytest

from wherobots_local.memory import usable_memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("", {}, MACHINE),
        # Version 2: the container's own folder is the root that it sees.
        ("0::/\n", {"memory.max": "100000000"}, 100_000_000),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "200000000"}, 200_000_000),
        # Version 1, whose paths are those of the machine.
        (
            "5:cpu,memory:/docker/1\n1:name=systemd:/docker/1\n",
            {"memory/memory.limit_in_bytes": "300000000"},
            300_000_000,
        ),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, MACHINE),
    ],
)
def test_the_memory_of_a_container(own: str, limits: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, limit in limits.items():
        (file := tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    (mine := tmp_path / "own").write_text(own)
    assert usable_memory(tmp_path / "cgroup", mine) == expected


def test_the_memory_of_this_machine() -> None:
    assert 0 < usable_memory() <= MACHINE
