"""What is accepted as a create body, and what is said about one that is not."""

from typing import Any

import pytest

from wherobots_local.api.errors import ApiError
from wherobots_local.api.requests import parse_create_request

PYTHON: dict[str, Any] = {"uri": "s3://b/j.py"}
GOOD: dict[str, Any] = {"name": "a_good_name", "runPython": PYTHON}


def problems(body: object) -> tuple[int, list[str | None], str]:
    with pytest.raises(ApiError) as raised:
        parse_create_request(body)
    return raised.value.status, [problem.field for problem in raised.value.problems], str(raised.value)


def with_environment(**environment: Any) -> dict[str, Any]:
    return {**GOOD, "environment": environment}


def test_defaults_are_filled_in() -> None:
    assert parse_create_request(GOOD).as_json() == {
        "name": "a_good_name",
        "runtime": None,
        "version": None,
        "runPython": {"uri": "s3://b/j.py", "args": []},
        "runJar": None,
        "timeoutSeconds": 3600,
        "environment": {"sparkDriverDiskGB": None, "sparkExecutorDiskGB": None, "sparkConfigs": {}, "dependencies": []},
    }


def test_everything_is_echoed() -> None:
    body = {
        "name": "a_good_name",
        "runtime": "x-large-himem",
        "version": "preview",
        "runJar": {"uri": "s3://b/j.jar", "args": ["1", "zwei"], "mainClass": "com.example.Main$Inner"},
        "timeoutSeconds": 2,
        "environment": {
            "sparkDriverDiskGB": 10,
            "sparkExecutorDiskGB": 20,
            "sparkConfigs": {"spark.a": "true"},
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "six", "libraryVersion": "1.17.0"},
                {"sourceType": "FILE", "filePath": "s3://b/x.whl"},
            ],
        },
    }
    expected = {**body, "runPython": None}
    expected["environment"]["dependencies"][1]["fileType"] = "PYTHON_WHEEL"  # type: ignore[index]
    assert parse_create_request(body).as_json() == expected


def test_source_type_has_the_defaults_of_the_schema() -> None:
    items = [{"libraryName": "six"}, {"filePath": "s3://b/x.JSON"}]
    request = parse_create_request(with_environment(dependencies=items))
    assert request.as_json()["environment"]["dependencies"] == [
        {"sourceType": "PYPI", "libraryName": "six", "libraryVersion": None},
        {"sourceType": "FILE", "filePath": "s3://b/x.JSON", "fileType": "OTHER"},
    ]


@pytest.mark.parametrize(
    ("version", "requirement"),
    [(None, "six"), ("", "six"), ("1.17.0", "six==1.17.0"), (">=1.16,<2", "six>=1.16,<2"), ("~=1.16", "six~=1.16")],
)
def test_versions_become_requirements(version: str | None, requirement: str) -> None:
    dependency = {"libraryName": "six", "libraryVersion": version}
    assert parse_create_request(with_environment(dependencies=[dependency])).environment.requirements == (requirement,)


@pytest.mark.parametrize(("given", "read"), [(60, 60), ("60", 60), (60.0, 60), (True, 1), (10**30, 10**30)])
def test_numbers_are_read_as_pydantic_reads_them(given: object, read: int) -> None:
    assert parse_create_request({**GOOD, "timeoutSeconds": given}).timeout_seconds == read


def test_unknown_keys_are_ignored() -> None:
    more = {"region": "x", "more": [1], "timeout_seconds": 5, "run_jar": {}}
    assert parse_create_request({**GOOD, **more}).as_json() == parse_create_request(GOOD).as_json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({"runPython": PYTHON}, "name"),
        ({**GOOD, "name": "has a space"}, "name"),
        ({**GOOD, "name": "trailing_newline\n"}, "name"),
        ({**GOOD, "runtime": "colossal"}, "runtime"),
        ({**GOOD, "timeoutSeconds": 0}, "timeoutSeconds"),
        ({**GOOD, "timeoutSeconds": "soon"}, "timeoutSeconds"),
        ({**GOOD, "runPython": "s3://b/j.py"}, "runPython"),
        ({**GOOD, "runPython": {"uri": "  "}}, "runPython.uri"),
        ({**GOOD, "runPython": {**PYTHON, "args": ["a", 1]}}, "runPython.args.1"),
        ({**GOOD, "runPython": {**PYTHON, "args": ["a\0b"]}}, "runPython.args.0"),
        ({"name": "a_good_name", "runJar": {"uri": "s3://b/j.jar", "mainClass": "-Xint"}}, "runJar.mainClass"),
        (with_environment(sparkConfigs={"spark.a": True}), "environment.sparkConfigs.spark.a"),
        (with_environment(dependencies=[{}]), "environment.dependencies.0.libraryName"),
        (
            with_environment(dependencies=[{"sourceType": "GIT", "libraryName": "six"}]),
            "environment.dependencies.0.sourceType",
        ),
        (with_environment(dependencies=[{"libraryName": "-r /etc"}]), "environment.dependencies.0.libraryName"),
        (with_environment(dependencies=[{"libraryName": "x @ file:///y"}]), "environment.dependencies.0.libraryName"),
        (
            with_environment(dependencies=[{"libraryName": "six", "libraryVersion": "1; import"}]),
            "environment.dependencies.0.libraryVersion",
        ),
        (with_environment(dependencies=[{"filePath": "s3://b/x.tar.gz"}]), "environment.dependencies.0.filePath"),
    ],
)
def test_a_wrong_field_is_named(body: object, field: str) -> None:
    status, fields, message = problems(body)
    assert (status, fields) == (422, [field])
    assert field in message
    assert "must" in message or "required" in message


@pytest.mark.parametrize(
    ("kinds", "word"), [({}, "neither"), ({"runPython": PYTHON, "runJar": {"uri": "s3://b/j.jar"}}, "both")]
)
def test_exactly_one_run_kind(kinds: dict[str, Any], word: str) -> None:
    status, _, message = problems({"name": "a_good_name", **kinds})
    assert status == 400
    assert word in message


def test_a_huge_value_is_not_echoed_whole() -> None:
    assert len(problems({**GOOD, "name": "x" * 100_000})[2]) < 400
