"""The script that runs a function of a DAG file, made from the function's source.

The script contains the function's own lines, each at the line number that it has in the DAG file. So a traceback from
the run names the lines of the DAG file, and shows them. The decorators, the annotations and the rest of the file are
left out, as a module that is imported only there would be missing in the run. The arguments are not in the script: the
same function has the same script, regardless of its arguments.
"""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import re
import types
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

DECORATORS = ("wherobots", "wherobots_task")
"""The last part of the names under which the decorator is used, such as ``task.wherobots``."""
REFUSED_VALUE = re.compile(r"(TypeError|ValueError): the return value of \w+\(\)[ ,]")
"""What a script prints if the function's return value cannot be sent, or Airflow could not store it. A retry would run
the function again for the same."""

_ABOUT = "# {name}() of {file}, at the same lines as there. Made by @task.wherobots of airflow-provider-wherobots."
_CALL = '''

def _run_for_airflow(function):
    """Call the function with the arguments of this run, and print its return value for the task."""
    import os
    import sys

    # This file is named like the DAG file, and must not be imported in place of a module of that name.
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):
        del sys.path[0]
    import json
    import traceback

    output = sys.stdout
    arguments = json.loads(sys.argv[1])
    try:
        value = function(*arguments["args"], **arguments["kwargs"])
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
        value = None
    except Exception as error:
        output.flush()
        # Without the frame of this function.
        traceback.print_exception(type(error), error, error.__traceback__.tb_next)
        sys.exit(1)
    try:
        result = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        output.flush()
        sys.exit(
            f"TypeError: the return value of {function.__name__}(), of type {type(value).__name__}, is not JSON:"
            f" {error}. Return None, booleans, finite numbers, strings, and lists and dicts of them"
        )
    if len(result) > {max_bytes}:
        output.flush()
        sys.exit(
            f"ValueError: the return value of {function.__name__}() has {len(result):,} bytes of JSON, and the limit is"
            f" {{max_bytes}:,}. Write it to storage, and return its address"
        )
    if reason := _reason_to_refuse(value):
        output.flush()
        sys.exit(
            f"ValueError: the return value of {function.__name__}() cannot be stored by Airflow, because it {reason}"
        )
    output.flush()
    for line in _lines_of(result):
        # It begins a line, whatever was printed before. In one write, as other processes may write to the same pipe.
        os.write(output.fileno(), f"\\n{line}\\n".encode())


def _lines_of(result):
    """The lines that tell a result, each so short that a pipe keeps it in one piece."""
    import select
    import zlib

    room = select.PIPE_BUF - 64
    if len(result) <= room:
        return [f"{marker} {result}"]
    parts = [result[begin : begin + room] for begin in range(0, len(result), room)]
    check = f"{zlib.crc32(result.encode()):08x}"
    return [f"{part_marker} {number}/{len(parts)} {check} |{part}|" for number, part in enumerate(parts, 1)]


def _reason_to_refuse(value):
    """Why Airflow cannot store a value; None if it can."""
    left = [(value, 0)]
    for part, level in left:
        is_dict = isinstance(part, dict)
        if is_dict or isinstance(part, (list, tuple)):
            if level >= {max_levels}:
                return "is nested more than {max_levels} levels deep"
            if is_dict and (part.keys() & {"__classname__", "__id__"} or part.keys() >= {"__type", "__var"}):
                return "has a key that Airflow reserves: __classname__, __id__, or __type with __var"
            if is_dict and None in part:
                return "has a dict with the key None"
            inner = (one for pair in part.items() for one in pair) if is_dict else part
            left += [(one, level + 1) for one in inner]
        elif isinstance(part, int) and not {min_integer} <= part <= {max_integer}:
            return "contains an integer of more than 64 bits; return it as a string"
        elif isinstance(part, str) and "\\0" in part:
            return "contains a NUL character, which PostgreSQL cannot store"
        elif isinstance(part, str) and any("\\ud800" <= each <= "\\udfff" for each in part):
            return "contains a lone surrogate, which is not valid Unicode"
    return None


if __name__ == "__main__":
    _run_for_airflow({name})
'''


def check_function(function: Any, user: str) -> None:
    """Check that a function can run as a script: it was defined with ``def``, and neither yields nor awaits.

    Source: ``PythonVirtualenvOperator`` in Airflow's standard provider has the same rules and messages. ``user`` is the
    name of the operator's class.
    """
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        raise InvalidArgumentError(f"{user} only supports functions for python_callable arg")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidArgumentError(f"{user} does not support using 'yield' in python_callable")
    if inspect.iscoroutinefunction(function):
        raise InvalidArgumentError(f"{user} does not support using 'async def' for python_callable")


def script_name(function: Callable[..., Any]) -> str:
    """The file name of a function's script, such as ``hail.py``: the same as the file that defines the function."""
    name = PurePath(inspect.unwrap(function).__code__.co_filename).name
    return name if name.endswith(".py") else "function.py"


def script_of(function: Callable[..., Any]) -> str:
    """Make the script that runs a function.

    Its only argument is ``{"args": [...], "kwargs": {...}}`` as JSON. It prints the return value as the run's result
    (``airflow-result: …``). If the function raises, it prints the function's traceback and exits with code 1. It is the
    same for the same text of the function at the same lines of its file.
    """
    return _own_text(function) + _call(inspect.unwrap(function).__code__.co_name)


def _own_text(function: Callable[..., Any]) -> str:
    """The script without the lines that call the function."""
    plain = inspect.unwrap(function)
    name = plain.__code__.co_name
    try:
        source, first_line = inspect.getsourcelines(plain)
        # Not dedented: that would change texts of several lines within the function.
        opening = ["if True:"] if source[0][:1].isspace() else []
        tree: Any = ast.parse("".join([*(f"{line}\n" for line in opening), *source]))
        definition = tree.body[0].body[0] if opening else tree.body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise InvalidArgumentError(f"the source of {name}() cannot be read: {error}") from None
    if not isinstance(definition, ast.FunctionDef) or definition.name != name:
        raise InvalidArgumentError(
            f"the source of {name}() cannot be read: it is not defined by a def statement of its own"
        )
    lines = _own_lines([line.rstrip("\r\n") for line in source], definition, len(opening), plain is not function)

    prologue = [_ABOUT.format(name=name, file=script_name(function))]
    if plain.__code__.co_flags & __future__.annotations.compiler_flag:
        prologue.append("from __future__ import annotations")
    prologue += opening
    # The lines above the function are empty.
    lines = [*[""] * (first_line - 1), *lines]
    room = next((number for number, line in enumerate(lines) if line), 0)
    lines[: min(room, len(prologue))] = prologue
    return "\n".join(lines).rstrip("\n") + "\n"


def _call(name: str) -> str:
    # Imported here, because only a running task needs them.
    from airflow_provider_wherobots.logs.result import (
        MARKER,
        MAX_INTEGER,
        MAX_LEVELS,
        MAX_RESULT_BYTES,
        MIN_INTEGER,
        PART_MARKER,
    )

    text = _CALL
    for placeholder, value in {
        "name": name,
        "marker": MARKER,
        "part_marker": PART_MARKER,
        "max_bytes": MAX_RESULT_BYTES,
        "max_levels": MAX_LEVELS,
        "min_integer": MIN_INTEGER,
        "max_integer": MAX_INTEGER,
    }.items():
        text = text.replace(f"{{{placeholder}}}", str(value))
    return text


def _own_lines(lines: list[str], definition: ast.FunctionDef, shift: int, is_wrapped: bool) -> list[str]:
    """The function's lines, without the task's decorators and without annotations in its head; as many as before.

    ``shift`` is how many lines of the parsed text stand before these. ``is_wrapped``: another decorator has replaced
    the function.
    """
    first = definition.body[0]
    # The line of a decorated definition is the line of its `def`.
    decorators = getattr(first, "decorator_list", [])
    begin = min(node.lineno for node in (first, *decorators)) - 1 - shift
    def_line = definition.lineno - 1 - shift
    indent = lines[def_line][: len(lines[def_line]) - len(lines[def_line].lstrip())]
    head = indent + _head(definition)
    is_on_head = bool(lines[begin].encode()[: first.col_offset].strip()) and not decorators
    if is_on_head:
        head += " " + "; ".join(map(ast.unparse, definition.body))
        begin = len(lines)
    kept_from = _first_kept_line(definition, is_wrapped) - 1 - shift
    kept = lines[kept_from:def_line]
    return [*[""] * kept_from, *kept, head, *[""] * (begin - def_line - 1), *lines[begin:]]


def _first_kept_line(definition: ast.FunctionDef, is_wrapped: bool) -> int:
    """The line of the first decorator that belongs to the function and not to the task, else of its ``def``."""
    decorators = definition.decorator_list
    task = max((index for index, each in enumerate(decorators) if _last_name(each) in DECORATORS), default=None)
    if task is None and is_wrapped:
        raise InvalidArgumentError(
            f"the decorators of {definition.name}() cannot be distinguished: write @task.wherobots(...) where it "
            "is used"
        )
    own = [] if task is None else decorators[task + 1 :]
    return own[0].lineno if own else definition.lineno


def _last_name(decorator: ast.expr) -> str:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(function, "attr", None) or getattr(function, "id", ""))


def _head(definition: ast.FunctionDef) -> str:
    """``def name(parameters):`` in one line, without annotations, which name modules that the run does not import."""
    bare = copy.deepcopy(definition)
    bare.body, bare.decorator_list, bare.returns = [], [], None
    for node in ast.walk(bare.args):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(bare).strip()
