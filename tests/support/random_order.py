"""``pytest -p tests.support.random_order --random-order SEED``: files in a random order, and the tests in each."""

import random
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option. All processes of pytest-xdist have the same order by it."""
    parser.addoption("--random-order", type=int, default=0, metavar="SEED", help="begins the random order")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle, before a folder's own hook puts last what must be last."""
    chance = random.Random(config.getoption("--random-order"))  # noqa: S311 - no secret
    files = dict[Path, float]()
    items.sort(key=lambda item: (files.setdefault(item.path, chance.random()), chance.random()))
