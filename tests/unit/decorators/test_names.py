"""Which names of a function are missing in its script: found before anything is sent, and never without reason."""

import argparse
import ast
import dataclasses
import fractions
import inspect
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.decorators import script
from airflow_provider_wherobots.decorators.names import undefined_names
from airflow_provider_wherobots.decorators.script import check_names
from tests.unit.decorators import example_functions as example

NESTED = example.outer()


def missing(body: str, head: str = "def f(a, *b, c=1, **d):") -> dict[str, int]:
    lines = dedent(body).strip("\n").splitlines()
    return undefined_names("\n".join([head, *(f"    {line}" for line in lines)]))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return math.pi", {"math": 2}),
        ("x = 1\nreturn x * SCALE + SCALE * math.pi", {"SCALE": 3, "math": 3}),
        ("return [SCALE for x in a]", {"SCALE": 2}),
        ("return lambda y: helper(y)", {"helper": 2}),
        ("def g():\n    def h():\n        return helper()\n    return h\nreturn g", {"helper": 4}),
        (
            "class A(Base):\n    x = DEFAULT\n    def m(self):\n        return LATER",
            {"Base": 2, "DEFAULT": 3, "LATER": 5},
        ),
        ("@decorator\ndef g(): ...", {"decorator": 2}),
        ("def g(x=DEFAULT): ...", {"DEFAULT": 2}),
        ("raise CustomError('x')", {"CustomError": 2}),
        ("try:\n    pass\nexcept CustomError:\n    pass", {"CustomError": 4}),
        ("with opened(a) as file:\n    pass", {"opened": 2}),
        ("return f'{a} {SCALE!r}'", {"SCALE": 2}),
        ("del SCALE[0]", {"SCALE": 2}),
        ("SCALE.x = 1", {"SCALE": 2}),
        ("x: int = SCALE", {"SCALE": 2}),
        ("match a:\n    case Point(x=0):\n        pass", {"Point": 3}),
        ("if TYPE_CHECKING:\n    import math\nreturn math", {"TYPE_CHECKING": 2}),
        ("try:\n    helper()\nfinally:\n    pass", {"helper": 3}),
        ("try:\n    helper()\nexcept ValueError:\n    pass", {"helper": 3}),
        ("try:\n    helper()\nexcept Exception as error:\n    print(error)\n    raise", {"helper": 3}),
        ("try:\n    x = 1\nexcept Exception:\n    helper()", {"helper": 5}),
    ],
)
def test_a_name_that_nothing_defines_is_found_with_the_line_of_its_first_use(body: str, found: dict[str, int]) -> None:
    assert missing(body) == found


@pytest.mark.parametrize(
    "body",
    [
        "return a, b, c, d",
        "import os, sys as system\nfrom math import pi as p\nreturn os.path, system, p",
        "import geopandas.tools\nreturn geopandas.tools.sjoin(a).SCALE.helper(SCALE=1)",
        "if a:\n    import math\nreturn math.pi",
        "try:\n    import fast as json\nexcept ImportError:\n    import json\nreturn json.dumps(a)",
        "for x in a:\n    pass\nreturn x",
        "with open(a) as file, open(b) as (left, *rest):\n    return file, left, rest",
        "try:\n    pass\nexcept ValueError as error:\n    return error",
        "return [(x, y) for x in a for y in x if (z := y)], z",
        "return {k: v for k, v in d.items()}, {s for s in a}, sum(g for g in a)",
        "return [[y for y in x if y in a] for x in b]",
        "x = 1\ndef g():\n    nonlocal x\n    x += c\n    return g\nreturn g() or x",
        "class A:\n    y = 1\n    z = y + c\n    def m(self):\n        return __class__, super(), A\nreturn A",
        "class A:\n    def __init__(self, x: 'Unknown') -> 'Unknown':\n        self.__x = x\nreturn A",
        "global counter\ncounter = 1\ndef g():\n    return counter\nreturn g",
        "def g():\n    global shared\n    shared = 1\ng()\nreturn shared",
        "global pandas\nimport pandas\nreturn pandas",
        "x: Unknown = 1\ny: 'Unknown'\nreturn x",
        "match a:\n    case {'k': v, **rest}:\n        return v, rest\n    case str() as text:\n        return text",
        "match a:\n    case [first, *others] | (first, others):\n        return first, others",
        "return f(a - 1)",
        "print(len(a), ValueError, __name__, __file__, __debug__, __builtins__, exit)",
        "return ExceptionGroup, aiter",
        "if False:\n    helper()",
        "globals()['helper'] = 1\nreturn helper",
        "exec('helper = 1', globals())\nreturn helper",
        "try:\n    display(a)\nexcept NameError:\n    print(a)",
        "try:\n    display(\n        a\n    )\nexcept (KeyError, NameError):\n    print(a)",
        "try:\n    display(a)\nexcept Exception:\n    print(a)",
        "try:\n    display(a)\nexcept:\n    pass",
        "async def g():\n    async with a as x:\n        return [y async for y in x]\nreturn g",
        "while (line := a.read()):\n    print(line)\nelse:\n    print(line)",
        "return (lambda x, *y, z=c, **w: (x, y, z, w))(1)",
        "import a.b as q\nfrom . import sibling\nreturn q, sibling",
        "def g(n):\n    return n and g(n - 1)\nreturn g",
    ],
)
def test_what_is_defined_on_some_path_is_not_found(body: str) -> None:
    assert missing(body) == {}


def test_a_default_value_is_looked_for_where_the_script_begins() -> None:
    assert missing("return x", head="def f(x=DEFAULT, y=print):") == {"DEFAULT": 1}


@pytest.mark.parametrize("module", [argparse, dataclasses, fractions, zipfile])
def test_what_is_found_in_the_functions_of_real_modules_is_defined_in_these_modules(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    nodes = [*tree.body, *(node for each in classes for node in each.body)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    found = {name for function in functions for name in undefined_names(ast.unparse(function))}
    assert found
    # Decorators of properties, such as @x.setter, name what their class defines.
    assert found <= vars(module).keys() | {name for each in classes for name in vars(vars(module)[each.name])}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (example.uses_a_global, "'math' (line {0}), 'SCALE' (line {0}), "),
        (NESTED["closure"], "'factor' (line {0}), "),
        (example.decorated_itself, "'timed' (line {0}), "),
        (example.first_statement_is_decorated, "'functools' (line {0}), "),
    ],
)
def test_a_function_that_uses_names_of_its_file_is_refused_with_their_lines(function: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_names(function)
    source, first = inspect.getsourcelines(function)
    word = words.split("'")[1]
    line = next(first + number for number, text in enumerate(source) if word in text)
    assert str(caught.value) == (
        f"{function.__name__}() in example_functions.py uses {words.format(line)}which it does not define. Only the"
        " function is sent to the run: import a module inside it, and pass a value as an argument"
    )


def test_the_functions_that_run_pass() -> None:
    for function in (
        example.many_decorators,
        example.fails,
        example.returns,
        example.starts_processes,
        *map(NESTED.get, ("nested", "recursive")),
    ):
        check_names(function)


def test_a_function_that_needs_its_enclosing_one_is_refused() -> None:
    count = 0

    def counts() -> None:
        nonlocal count
        count += 1

    with pytest.raises(InvalidArgumentError) as caught:
        check_names(counts)
    assert str(caught.value).startswith(
        "counts() in test_names.py cannot run by itself: no binding for nonlocal 'count'"
    )


def test_a_function_without_source_is_left_to_the_run() -> None:
    made: dict[str, Any] = {}
    exec("def made_up(): return math.pi", made)  # noqa: S102 - the source is in this test
    check_names(made["made_up"])


def test_a_function_is_examined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG may call it a hundred times."""
    check_names(example.talks)
    monkeypatch.setattr(script, "undefined_names", None)
    check_names(example.talks)
