"""A warning for names of the DAG file that a function uses: only the function is sent to the run."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from dis import Instruction, get_instructions
from types import CodeType
from typing import Any


def warn_of_outside_names(function: Callable[..., Any]) -> None:
    """Warn, at the line of its first use, of each name that the file or an enclosing function defines."""
    plain = inspect.unwrap(function)
    code, file_names = plain.__code__, plain.__globals__
    outside = {"LOAD_GLOBAL": file_names.keys(), "LOAD_DEREF": set(code.co_freevars)}
    lines: dict[str, int] = {}
    for instruction in _instructions(code):
        name, line = instruction.argval, instruction.positions and instruction.positions.lineno
        if name in outside.get(instruction.opname, ()) and line and name != code.co_name and not name.startswith("__"):
            lines.setdefault(name, line)
    for name, line in lines.items():
        warnings.warn_explicit(
            f"{code.co_name}() uses {name!r}, which it does not define. Only the function is sent to the run: import a "
            "module inside it, and pass a value as an argument",
            UserWarning,
            code.co_filename,
            line,
            # A DAG may call a function many times, and each place warns once.
            registry=file_names.setdefault("__warningregistry__", {}),
        )


def _instructions(code: CodeType) -> Iterator[Instruction]:
    yield from get_instructions(code)
    for inner in code.co_consts:
        # Annotations, which Python 3.14 evaluates only on request.
        if isinstance(inner, CodeType) and inner.co_name != "__annotate__":
            yield from _instructions(inner)
