"""Where the packages under test are imported from: what users get is the wheel, so that is what is tested."""

import sys
from importlib.util import find_spec
from pathlib import Path

from tests.support.places import CHECKOUT

PACKAGES = ("airflow_provider_wherobots", "wherobots_local")


def imported_from_elsewhere() -> list[str]:
    """Return the packages that are not imported from this environment's own ``site-packages``, each with its place."""
    places = {name: spec.origin or "" for name in PACKAGES if (spec := find_spec(name)) is not None}
    return [f"{name} is imported from {place}" for name, place in places.items() if not _is_installed(place)]


def built_wheel(package: str) -> Path:
    """Return the wheel of a package that ``make`` has built and installed."""
    wheels = list((CHECKOUT / "build" / "wheels").glob(f"{package}-*.whl"))
    if len(wheels) != 1:
        raise RuntimeError(f"There is not one wheel of {package} in build/wheels: run 'make tree'")
    return wheels[0]


def _is_installed(place: str) -> bool:
    return Path(place).is_relative_to(sys.prefix) and "site-packages" in Path(place).parts
