"""The distributions, built once."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installed import PACKAGES, built_wheel
from tests.support.places import CHECKOUT

FOLDERS = {"airflow_provider_wherobots": CHECKOUT, "wherobots_local": CHECKOUT / "local_server"}
"""The folder with the ``pyproject.toml`` of each package."""


@dataclass(frozen=True)
class Distribution:
    """A package, and its wheel and source distribution.

    :param wheel: the wheel that is installed in the environments of the tests.
    :param wheel_from_sdist: the wheel that the unpacked source distribution builds.
    """

    package: str
    wheel: Path
    sdist: Path
    wheel_from_sdist: Path

    def sources(self) -> set[str]:
        """The files of the package, as paths in its wheel."""
        root = FOLDERS[self.package]
        files = (path for path in (root / self.package).rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="session")
def distribution_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Distribution]:
    """Builds a package's distributions, once."""
    built: dict[str, Distribution] = {}

    def of(package: str) -> Distribution:
        if package not in built:
            folder = tmp_path_factory.mktemp(package)
            sdist = _build("sdist", folder / "sdist", FOLDERS[package])
            unpacked = folder / "unpacked"
            unpacked.mkdir()
            tar = ("tar", "--extract", "--file", sdist, "--strip-components=1", "--directory", unpacked)
            subprocess.run(tar, check=True)
            built[package] = Distribution(
                package, built_wheel(package), sdist, _build("wheel", folder / "wheel", unpacked)
            )
        return built[package]

    return of


@pytest.fixture(params=PACKAGES)
def distribution(request: pytest.FixtureRequest, distribution_of: Callable[[str], Distribution]) -> Distribution:
    """Each of the two."""
    return distribution_of(request.param)


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The provider's wheel."""
    return built_wheel("airflow_provider_wherobots")


def _build(kind: str, folder: Path, source: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built
