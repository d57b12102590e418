"""The distributions, built once, and the program that installs them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.places import CHECKOUT, TREE

VENV = Path(sys.prefix)


@pytest.fixture(scope="session")
def uv() -> Callable[..., str]:
    """Runs ``uv`` as the project's own scripts do, and returns what it prints."""
    if not (VENV / "bin" / "uv").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no uv in this virtualenv: dev/venv.sh had to do without"
        )

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [TREE / "dev" / "uv.sh", VENV, *arguments], cwd=TREE, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def build(kind: str, folder: Path, source: Path = CHECKOUT) -> Path:
    """Build a distribution.

    :param kind: ``wheel`` or ``sdist``.
    :param folder: where to put it.
    :param source: the folder with pyproject.toml.
    """
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    return build("sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel_from_sdist(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the unpacked source distribution builds."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "--extract", "--file", sdist, "--strip-components=1", "--directory", unpacked], check=True)
    return build("wheel", tmp_path_factory.mktemp("wheel-from-sdist"), unpacked)
