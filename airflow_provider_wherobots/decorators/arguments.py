"""The arguments of a decorated function, as the JSON text that its script receives."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

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
                f"parameter {name} of {function.__name__}() is named like a part of the context that is not sent "
                f"to the run. The function can take: {', '.join(CONTEXT_KEYS)}"
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
        raise InvalidArgumentError(f"{function.__name__}() cannot be called: {error}") from None


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
