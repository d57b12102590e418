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
import json
import types
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dis import Instruction, get_instructions
from math import isfinite
from pathlib import PurePath
from types import CodeType
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

DECORATORS = ("wherobots", "wherobots_task")
"""The last part of the names under which the decorator is used, such as ``task.wherobots``."""

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
        _refuse(
            output,
            f"TypeError: the return value of {function.__name__}(), of type {type(value).__name__}, is not JSON:"
            f" {error}. Return None, booleans, finite numbers, strings, and lists and dicts of them",
        )
    if len(result) > {max_bytes}:
        _refuse(
            output,
            f"ValueError: the return value of {function.__name__}() has {len(result):,} bytes of JSON, and the limit is"
            f" {{max_bytes}:,}. Write it to storage, and return its address",
        )
    if reason := _reason_to_refuse(value):
        _refuse(
            output,
            f"ValueError: the return value of {function.__name__}() cannot be stored by Airflow, because it {reason}",
        )
    output.flush()
    for line in _lines_of(result):
        # It begins a line, whatever was printed before. In one write, as other processes may write to the same pipe.
        os.write(output.fileno(), f"\\n{line}\\n".encode())


def _refuse(output, message):
    """Fail the run for a return value that a retry would return again. The marked line tells the task so."""
    import os
    import sys

    output.flush()
    os.write(output.fileno(), b"\\n{refused_marker}\\n")
    sys.exit(message)


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


def check_function(function: Any) -> None:
    """Check that a function can run as a script: it was defined with ``def``, and neither yields nor awaits.

    Source: ``PythonVirtualenvOperator`` in Airflow's standard provider has the same rules.
    """
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        raise InvalidArgumentError("@task.wherobots needs a function defined with def, not a lambda, method or object")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidArgumentError("@task.wherobots cannot run a function that yields: return a list instead")
    if inspect.iscoroutinefunction(function):
        raise InvalidArgumentError("@task.wherobots cannot run an async function: write def, and asyncio.run() in it")


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
        REFUSED_MARKER,
    )

    text = _CALL
    for placeholder, value in {
        "name": name,
        "marker": MARKER,
        "part_marker": PART_MARKER,
        "refused_marker": REFUSED_MARKER,
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


MAX_ARGUMENTS_BYTES = 100_000
"""The most bytes of all arguments together. Linux starts no program with an argument of 131,072 bytes or more."""

CONTEXT_KEYS = (
    "ds",
    "ds_nodash",
    "expanded_ti_count",
    "params",
    "partition_key",
    "run_id",
    "task_instance_key_str",
    "task_reschedule_count",
    "test_mode",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
)
"""The part of the task's context that a function gets by parameters of these names: all that JSON can hold."""

_BYTES = (bytes, bytearray, memoryview)


def encode_arguments(
    function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any], context: Mapping[str, Any]
) -> str:
    """Encode the arguments of a function for its script.

    Parameters that are named like a key of the context and are not given receive its value, as in
    ``PythonVirtualenvOperator``.

    Returns ``{"args": [...], "kwargs": {...}}`` as JSON, in ASCII. Raises an ``InvalidArgumentError`` if the function
    cannot be called with them, JSON cannot hold one of them, or they are too large.
    """
    signature = inspect.signature(function)
    _refuse_what_is_not_sent(function, signature, args, kwargs, context)
    bound = _bind(function, signature, args, kwargs, context)
    bound.arguments.update({name: _plain(name, value) for name, value in bound.arguments.items()})
    text = json.dumps({"args": bound.args, "kwargs": bound.kwargs})
    if len(text) > MAX_ARGUMENTS_BYTES:
        raise InvalidArgumentError(
            f"the arguments of {function.__name__}() have {len(text):,} bytes as JSON, and the limit is "
            f"{MAX_ARGUMENTS_BYTES:,}; put the data in S3, and pass its s3:// address"
        )
    return text


def check_call(
    function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any], context_keys: Collection[str]
) -> None:
    """Check, when the DAG is parsed, that a function can be called. Airflow's own error does not name the function."""
    signature = inspect.signature(function)
    _refuse_what_is_not_sent(function, signature, args, kwargs, context_keys)
    _bind(function, signature, args, kwargs, dict.fromkeys(context_keys))


def check_arguments(
    function: Callable[..., Any],
    args: Collection[Any],
    kwargs: Mapping[str, Any],
    context_keys: Collection[str],
    is_unrendered: Callable[[Any], bool],
) -> None:
    """Check the arguments that are known when the DAG is parsed.

    Raises an ``InvalidArgumentError`` if JSON cannot hold one of them, or if a parameter that is not given is named
    like one of the ``context_keys`` that are not sent.
    """
    signature = inspect.signature(function)
    _refuse_what_is_not_sent(function, signature, args, kwargs, context_keys)
    for name, value in signature.bind_partial(*args, **kwargs).arguments.items():
        _plain(name, value, is_unrendered)


def _refuse_what_is_not_sent(
    function: Callable[..., Any],
    signature: inspect.Signature,
    args: Collection[Any],
    kwargs: Mapping[str, Any],
    context_keys: Collection[str],
) -> None:
    """Refuse a parameter that would be None in the run: Airflow gives each one of such a name that default."""
    for name in list(signature.parameters)[len(args) :]:
        if name in context_keys and name not in CONTEXT_KEYS and name not in kwargs:
            raise InvalidArgumentError(
                f"{function.__name__}() has a parameter {name}, and Airflow's {name} is not sent to the run. Give it "
                f"another name. From the task's context the function can take: {', '.join(CONTEXT_KEYS)}"
            )


def _bind(
    function: Callable[..., Any],
    signature: inspect.Signature,
    args: Collection[Any],
    kwargs: Mapping[str, Any],
    context: Mapping[str, Any],
) -> inspect.BoundArguments:
    from_context = _context_values(signature, args, kwargs, context)
    try:
        return signature.bind(*args, **{**from_context, **kwargs})
    except TypeError as error:
        why = str(error).replace("missing a required argument: ", "is missing the argument ")
        raise InvalidArgumentError(f"{function.__name__}() {why}") from None


def _context_values(
    signature: inspect.Signature, args: Collection[Any], kwargs: Mapping[str, Any], context: Mapping[str, Any]
) -> dict[str, Any]:
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    by_position = list(signature.parameters)[: len(args)]
    return {
        key: context[key]
        for key in CONTEXT_KEYS
        if (takes_any or key in signature.parameters)
        and key not in kwargs
        and key not in by_position
        and key in context
    }


def _plain(where: str, value: Any, is_unrendered: Callable[[Any], bool] = lambda value: False) -> Any:
    """The value in the types that JSON has. The outputs of a mapped task are a sequence of a special type.

    ``where`` is the place of the value, such as ``regions[2]['since']``.
    """
    match value:
        case None | bool() | str() | int():
            return value
        case float() if isfinite(value):
            return value
        case _ if is_unrendered(value):
            return value
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise _not_json(where, f"has the key {key!r}, of type {type(key).__name__}", "keys must be strings")
            return {key: _plain(f"{where}[{key!r}]", each, is_unrendered) for key, each in value.items()}
        case Sequence() if not isinstance(value, _BYTES):
            return [_plain(f"{where}[{index}]", each, is_unrendered) for index, each in enumerate(value)]
        case float():
            raise _not_json(where, f"is {value}", "pass None or a string instead")
    instead = "the string of .isoformat()" if hasattr(value, "isoformat") else "a string, a number, a list or a dict"
    raise _not_json(where, f"is of type {type(value).__name__}", f"pass {instead} instead")


def _not_json(where: str, what: str, hint: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"argument {where} {what}, which JSON cannot hold; {hint}")
