"""The script of a function is run, as the service would run it: by a plain interpreter, with one argument."""

import functools
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.decorators.script import check_function, script_name, script_of
from airflow_provider_wherobots.logs.result import (
    MAX_LEVELS,
    MAX_RESULT_BYTES,
    REFUSED_MARKER,
    NoResultError,
    ResultReader,
    read_result,
)
from tests.unit.decorators import example_functions as example

FILE = Path(example.__file__)
NESTED = example.outer()


class Ran(SimpleNamespace):
    """How a script ended: ``code``, ``out``, ``err``."""

    @property
    def result(self) -> Any:
        return result_in(self.out)


def result_in(output: str) -> Any:
    """What the provider reads from a log with this output."""
    reader = ResultReader()
    reader.add([(str(number), line) for number, line in enumerate(output.split("\n"), 1)])
    assert reader.refused is None
    assert reader.text is not None, output
    return json.loads(reader.text)


RunScript = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> RunScript:
    """Run a function's script, elsewhere than in the checkout."""

    def run_script(function: Callable[..., Any], *args: Any, isolated: bool = True, **kwargs: Any) -> Ran:
        path = tmp_path / script_name(function)
        path.write_text(script_of(function), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *(["-I"] if isolated else []), str(path), json.dumps({"args": args, "kwargs": kwargs})],
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
            env={"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode(), path=path)

    return run_script


def line_of(text: str) -> int:
    """The number of the only line of the file with a text."""
    (number,) = [number for number, line in enumerate(FILE.read_text().splitlines(), 1) if text in line]
    return number


def test_arguments_of_each_kind_arrive_and_the_value_comes_back(run: RunScript) -> None:
    ran = run(example.many_decorators, [1, {"a": None}], 2.5, "m1", "m2", three={"ü": True}, other="{{ x }}")
    assert (ran.code, ran.err) == (0, "")
    assert ran.result == {
        "one": [1, {"a": None}],
        "two": 2.5,
        "more": ["m1", "m2"],
        "three": {"ü": True},
        "named": {"other": "{{ x }}"},
    }


@pytest.mark.parametrize("text", ["", "Zürich 東京 \U0001f30d", "a\nb\tc\\\"'", "airflow-result: no", "x" * 4_000])
def test_text_arrives_unchanged_and_the_result_begins_a_line(text: str, run: RunScript) -> None:
    ran = run(example.talks, text)
    assert ran.out.endswith(f"it says {text}\nairflow-result: {json.dumps(text)}\n")


def test_each_line_of_a_result_is_one_write_that_a_pipe_keeps_together(tmp_path: Path) -> None:
    """A pipe opened with ``O_DIRECT`` hands out one write at a time, and cuts those that it would not keep together."""
    path = tmp_path / "talks.py"
    path.write_text(script_of(example.talks), encoding="utf-8")
    reader, writer = os.pipe2(os.O_DIRECT)
    arguments = json.dumps({"args": ["x" * 60_000], "kwargs": {}})
    with subprocess.Popen([sys.executable, str(path), arguments], stdout=writer) as job:
        os.close(writer)
        written = []
        while piece := os.read(reader, 1 << 20):
            written.append(piece.decode())
    os.close(reader)
    assert job.returncode == 0
    parts = [piece for piece in written if "airflow-result" in piece]
    assert len(parts) > 10
    assert all(piece.startswith("\nairflow-result-part: ") and piece.endswith("|\n") for piece in parts)
    assert result_in("".join(written)) == "x" * 60_000


@pytest.mark.parametrize("size", [4_029, 4_030, 4_031, 8_062, 8_063, MAX_RESULT_BYTES - 2])
def test_a_result_of_any_size_is_read(size: int, run: RunScript) -> None:
    ran = run(example.returns, f"'x' * {size}")
    assert ran.result == "x" * size
    assert all(len(line) <= 4_094 for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("code", "value"),
    [("None", None), ("0", 0), ("(1, [2, {'a': 1.5}])", [1, [2, {"a": 1.5}]]), ("'é'", "é"), ("{1: 2}", {"1": 2})],
)
def test_what_json_can_hold_is_returned(code: str, value: Any, run: RunScript) -> None:
    assert run(example.returns, code).result == value


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("{1, 2}", "set", "Object of type set is not JSON serializable"),
        ("[object()]", "list", "Object of type object is not JSON serializable"),
        ("{(1, 2): 3}", "dict", "keys must be str, int, float, bool or None, not tuple"),
        ("float('nan')", "float", "Out of range float values are not JSON compliant"),
        ("[l := [], l.append(l), l][2]", "list", "Circular reference detected"),
    ],
)
def test_what_json_cannot_hold_fails_and_names_its_type(code: str, kind: str, reason: str, run: RunScript) -> None:
    ran = run(example.returns, code)
    assert ran.code == 1
    assert ran.out == f"\n{REFUSED_MARKER}\n"
    assert ran.err.startswith(f"TypeError: the return value of returns(), of type {kind}, is not JSON: {reason}")
    assert ran.err.count("\n") == 1


def test_an_exception_shows_the_lines_of_the_dag_file_and_only_those_of_the_function(run: RunScript) -> None:
    ran = run(example.fails, "Atlantis")
    assert (ran.code, ran.out) == (1, "begins\n")
    assert "_run_for_airflow" not in ran.err
    first, _, second = ran.err.partition("\nThe above exception was the direct cause of the following exception:\n\n")
    for told, line, text in (
        (first, line_of("places[place]"), "places[place]"),
        (second, line_of("raise ValueError("), 'raise ValueError(f"no such place: {place}") from error'),
    ):
        assert told.startswith(
            f'Traceback (most recent call last):\n  File "{ran.path}", line {line}, in fails\n    {text}\n'
        )
    assert ran.path.name == FILE.name
    assert second.endswith("\nValueError: no such place: Atlantis\n")


def test_a_call_that_does_not_fit_says_so(run: RunScript) -> None:
    ran = run(example.talks)
    assert ran.code == 1
    assert ran.err == "TypeError: talks() missing 1 required positional argument: 'text'\n"


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (example.uses_a_global, [], "math"),
        (NESTED["closure"], [2], "factor"),
        (example.decorated_itself, [1], "timed"),
        (example.first_statement_is_decorated, [1], "functools"),
    ],
)
def test_what_is_defined_around_the_function_or_decorates_it_is_not_there(
    function: Any, args: list[Any], name: str, run: RunScript
) -> None:
    assert run(function, *args).err.splitlines()[-1].startswith(f"NameError: name '{name}' is not defined")


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3), ("gone wrong", 1)])
def test_sys_exit_ends_the_script_without_a_value(code: Any, status: int, run: RunScript) -> None:
    ran = run(example.exits, code)
    # A run that completes always has a result: without one, the task would not know that it was lost.
    assert (ran.code, ran.out) == (status, "leaves\n" if status else "leaves\n\nairflow-result: null\n")
    assert ran.err == (f"{code}\n" if isinstance(code, str) else "")


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        (example.one_line, [1], 3),
        (example.body_on_the_last_line_of_the_head, [1], 2),
        (NESTED["nested"], [[1]], "one\ntwo\n        three"),
        (NESTED["recursive"], [5], 120),
        (example.alias_alone, [7], 7),
        # Its name and those of its parameters are names that the script uses itself.
        (example.result, ["a", "b"], ["a", "b"]),
        (example.starts_processes, [[-1, -2]], [1, 2]),
    ],
)
def test_a_function_of_any_shape_runs(function: Any, args: list[Any], value: Any, run: RunScript) -> None:
    ran = run(function, *args)
    assert ran.code == 0, ran.err
    assert ran.result == value


def test_the_result_goes_where_the_script_began_to_print(run: RunScript) -> None:
    ran = run(example.leaves_stdout_replaced)
    assert ran.out.split() == ["before", "airflow-result:", "1"]


def test_an_unknown_decorator_above_another_cannot_be_told_apart() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"^the decorators of alias_above_another\(\) cannot be distinguished: write @"
    ):
        script_of(example.alias_above_another)


@pytest.mark.parametrize(
    ("function", "first_text"),
    [
        (example.many_decorators, '"""A docstring."""'),
        (example.fails, "import sys"),
        (example.first_statement_is_decorated, "@functools.cache"),
        (NESTED["nested"], 'text = """one'),
    ],
)
def test_each_line_of_a_function_has_its_number(function: Any, first_text: str) -> None:
    source, first_line = inspect.getsourcelines(function)
    skipped = next(number for number, line in enumerate(source) if line.strip().startswith(first_text))
    begin, end = first_line - 1 + skipped, first_line - 1 + len(source)
    script_lines = script_of(function).splitlines()
    assert script_lines[begin:end] == FILE.read_text().splitlines()[begin:end]
    # Above are only comments, the lines that make the rest parse, and one line with the head.
    assert len([line for line in script_lines[:begin] if line]) <= 4


def test_a_script_says_what_it_is_and_where_it_is_from() -> None:
    first = script_of(example.talks).splitlines()[0]
    assert first.startswith(f"# talks() of {FILE.name}, at the same lines as there.")


def test_annotations_are_evaluated_as_in_the_file(run: RunScript, tmp_path: Path) -> None:
    code = "def f(x: Unknown) -> Unknown:\n    def g(y: int): ...\n    return str(g.__annotations__)\n"
    for future, value in (("", "{'y': <class 'int'>}"), ("from __future__ import annotations\n", "{'y': 'int'}")):
        path = tmp_path / f"file{len(future)}.py"
        path.write_text(f"{future}Unknown = None\n{code}")
        names: dict[str, Any] = {}
        exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102 - the source is in this test
        assert run(names["f"], 1).result == value


def test_a_function_at_the_top_of_a_file_runs_too(run: RunScript, tmp_path: Path) -> None:
    path = tmp_path / "top.py"
    path.write_text("def f(x): return [x]")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102 - the source is in this test
    assert run(names["f"], 1).result == [1]


def test_a_function_without_source_is_told() -> None:
    names: dict[str, Any] = {}
    exec("def made_up(): return 1", names)  # noqa: S102 - the source is in this test
    with pytest.raises(
        InvalidArgumentError, match=r"^the source of made_up\(\) cannot be read: could not get source code"
    ):
        script_of(names["made_up"])
    assert script_name(names["made_up"]) == "function.py"


@pytest.mark.parametrize("what", [example.is_lambda, functools.partial(example.talks, "a"), example.task(), len])
def test_only_functions_pass(what: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^@task\.wherobots needs a function defined with def, "):
        check_function(what)


def test_generators_and_coroutines_do_not_pass() -> None:
    for function in (example.yields, example.yields_and_awaits):
        with pytest.raises(InvalidArgumentError, match=r"^@task\.wherobots cannot run a function that yields"):
            check_function(function)
    with pytest.raises(InvalidArgumentError, match=r"^@task\.wherobots cannot run an async function"):
        check_function(example.awaits)
    check_function(example.talks)


@pytest.mark.parametrize(
    "code",
    [
        "2**64",
        "-(2**63) - 1",
        "{'a': [2**70]}",
        "'a\\0b'",
        "{'a\\0': 1}",
        "['\\ud800']",
        f"__import__('functools').reduce(lambda inner, _: [inner], range({MAX_LEVELS}), [])",
        "{'__classname__': 'x'}",
        "[{'__id__': 1}]",
        "{'__type': 'dict', '__var': {}}",
    ],
)
def test_a_value_that_airflow_cannot_store_fails_for_the_reason_that_its_line_would_be_refused(
    code: str, run: RunScript
) -> None:
    """Else the task would succeed, and return None."""
    with pytest.raises(NoResultError) as refused:
        read_result(json.dumps(eval(code)))  # noqa: S307 - the source is in this test
    ran = run(example.returns, code)
    assert (ran.code, ran.out) == (1, f"\n{REFUSED_MARKER}\n")
    assert ran.err == (
        "ValueError: the return value of returns() cannot be stored by Airflow, because it "
        f"{str(refused.value).replace('print it', 'return it')}\n"
    )


NONE_KEY = "cannot be stored by Airflow, because it has a dict with the key None"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("{None: 1}", NONE_KEY),
        ("[{'a': ({None: 1}, 2)}]", NONE_KEY),
        (
            f"'x' * {MAX_RESULT_BYTES - 1}",
            "has 65,537 bytes of JSON, and the limit is 65,536. Write it to storage, and return its address",
        ),
    ],
)
def test_a_key_none_or_too_large_a_value_is_refused(code: str, reason: str, run: RunScript) -> None:
    ran = run(example.returns, code)
    assert (ran.code, ran.out) == (1, f"\n{REFUSED_MARKER}\n")
    assert ran.err == f"ValueError: the return value of returns() {reason}\n"


@pytest.mark.parametrize(
    "code",
    [
        "[2**64 - 1, -(2**63), True]",
        "'\U0001f30d'",
        f"__import__('functools').reduce(lambda inner, _: [inner], range({MAX_LEVELS - 1}), [])",
        "{'__type': 1, 'id': 2, '__var_': 3}",
    ],
)
def test_a_value_that_airflow_can_only_just_store_is_returned(code: str, run: RunScript) -> None:
    value = eval(code)  # noqa: S307 - the source is in this test
    assert read_result(json.dumps(value)) == value
    assert run(example.returns, code).result == value


def test_a_dag_file_named_like_a_module_is_not_imported_in_its_place(tmp_path: Path, run: RunScript) -> None:
    for name in ("json.py", "statistics.py", "colorsys.py"):
        path = tmp_path / "dags" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "def f():\n    import statistics, colorsys\n    return [statistics.mean([1, 3]), colorsys.__name__]\n"
        )
        names: dict[str, Any] = {"__name__": "unusual_prefix_dag"}
        exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102 - the source is in this test
        assert run(names["f"], isolated=False).result == [2, "colorsys"]
