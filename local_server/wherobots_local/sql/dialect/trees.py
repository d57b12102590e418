"""Changes to the tree of a statement."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp


def changed(tree: exp.Expr, rule: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Apply a rule to each node of a tree, the inner ones first. The rule may put the node into a new one.

    :param tree: the tree, which is changed.
    :param rule: returns what takes the place of a node, or the node.
    """
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
