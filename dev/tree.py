"""``python -m dev.tree``: copies the checkout, without the two packages, to ``build/tree``.

The tests run in the copy. There, only the installed packages can be imported, as by a user. Files that have not changed
are not written again, so running tests are not disturbed.
"""

import filecmp
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import CHECKOUT

COPY = CHECKOUT / "build" / "tree"
PACKAGES = ("airflow_provider_wherobots", "local_server/wherobots_local")
MADE = re.compile(r"\.git|\.tox|\.venv.*|\.demo|\.hypothesis|\.\w+_cache|\.coverage.*|__pycache__|_build|build|dist")
"""Names of what git, make and tests put into a checkout."""


def main() -> None:
    """Bring the copy up to date."""
    wanted = set(_files(CHECKOUT))
    for old in [path.relative_to(COPY) for path in COPY.rglob("*") if path.is_file()]:
        if old not in wanted and not any(map(MADE.fullmatch, old.parts)):
            (COPY / old).unlink()
    for path in wanted:
        source, target = CHECKOUT / path, COPY / path
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        name = path.relative_to(CHECKOUT)
        if MADE.fullmatch(path.name) or name.as_posix() in PACKAGES:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.exists():
            yield name


if __name__ == "__main__":
    main()
