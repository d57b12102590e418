"""The names that a script uses and does not define, found in its compiled code.

A name that is defined on some path counts as defined: a script that would run must never be refused.
"""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Iterator
from types import CodeType

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_STORES = ("STORE_GLOBAL", "STORE_NAME")
_DEFINE_ANYTHING = {"exec", "globals", "hasattr", "setattr", "suppress"}
"""Functions that may define a name, or check for it, in ways that are not analysed."""
_CATCH_IT = {"NameError", "Exception", "BaseException"}


def undefined_names(script: str) -> dict[str, int]:
    """Find the names that a script uses and does not define. Returns each name with the line where it is used first."""
    tree = ast.parse(script)
    used: dict[str, set[int]] = {}
    defined = set(dir(builtins))
    for instruction in _instructions(compile(tree, "script", "exec", dont_inherit=True)):
        line = instruction.positions.lineno if instruction.positions is not None else None
        if instruction.opname in _STORES:
            defined.add(instruction.argval)
        elif instruction.opname in _LOADS and line is not None:
            used.setdefault(instruction.argval, set()).add(line)
    if used.keys() & _DEFINE_ANYTHING:
        return {}
    caught = _lines_that_may_fail(tree)
    missing = {
        name: min(lines - caught)
        for name, lines in used.items()
        if lines - caught and name not in defined and not name.startswith("__")
    }
    return dict(sorted(missing.items(), key=lambda item: item[1]))


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for inner in code.co_consts:
        # Annotations, which Python 3.14 evaluates only on request.
        if isinstance(inner, CodeType) and inner.co_name != "__annotate__":
            yield from _instructions(inner)


def _lines_that_may_fail(tree: ast.AST) -> set[int]:
    """The lines whose errors the script catches, without raising them again."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Try | ast.TryStar) and any(map(_swallows, node.handlers))
        for line in range(node.lineno, (node.body[-1].end_lineno or 0) + 1)
    }


def _swallows(handler: ast.ExceptHandler) -> bool:
    kinds = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else _CATCH_IT
    return bool(kinds & _CATCH_IT) and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
