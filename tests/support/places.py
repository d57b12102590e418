"""Where things are: the checkout, and the copy of it that the tests run in."""

from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
"""The tree of this file: the checkout, or ``build/tree``, its copy without the two packages. See ``dev/tree.py``."""

CHECKOUT = TREE.parents[1] if TREE.parts[-2:] == ("build", "tree") else TREE
"""The checkout: the packages' sources, the virtualenvs, and what builds and tests write."""
