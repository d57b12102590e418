"""Changes to the tree of a statement."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp


def changed(tree: exp.Expr, rule: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Put what a rule returns in the place of each node, the inner ones first. The node may be inside of it."""
    for node in reversed(list(tree.walk())):
        parent, key, index = node.parent, node.arg_key, node.index
        new = rule(node)
        if new is node:
            continue
        if parent is None or key is None:
            tree = new
        else:
            parent.set(key, new, index)
    return tree
