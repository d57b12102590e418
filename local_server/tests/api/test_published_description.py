"""The models, the answers and the operations against the published API description, field by field."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import PUBLISHED, Client, assert_shape, missing, published
from wherobots_local import ControlClient
from wherobots_local.api import errors as vocabulary
from wherobots_local.api.errors import _ERROR_CLASSES
from wherobots_local.api.queries import ListQuery, LogsQuery
from wherobots_local.api.requests import CreateRunRequest, SqlSessionPayload, SqlSessionQuery, SqlSessionsQuery
from wherobots_local.http import runs_api, sql_api, storage_api

SESSION_STRICTER: dict[str, dict[str, Any]] = {
    "idleTimeoutMinutes": {"minimum": 1, "exclusiveMaximum": 2**31},
    "shutdownAfterInactiveSeconds": {"minimum": 1, "exclusiveMaximum": 2**31},
}
STRICTER: dict[str, dict[str, Any]] = {
    "timeoutSeconds": {"exclusiveMinimum": 0},
    "environment.dependencies.[PYPI].sourceType": {"enum": ["PYPI"]},
    "environment.dependencies.[FILE].sourceType": {"enum": ["FILE"]},
}
"""Where a model is stricter than the description, as far as a schema says so."""
_EXCLUSIVE = ("exclusiveMinimum", "exclusiveMaximum")
NOTES = ("title", "description", "readOnly", "discriminator", "format")


def resolved(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """A schema without references and notes, in one spelling of what can be spelt in several ways."""
    if "$ref" in schema:
        return resolved(
            {**defs[schema["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in schema.items() if k != "$ref"}}, defs
        )
    found = {key: value for key, value in schema.items() if key not in NOTES}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    for key in ("anyOf", "oneOf"):
        if key in found:
            found["anyOf"] = [resolved(item, defs) for item in found.pop(key)]
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = resolved(found[key], defs)
    if "properties" in found:
        found["properties"] = {name: resolved(item, defs) for name, item in found["properties"].items()}
    return found


def facts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, Any]]:
    """What a schema says about each field, one by one: path, rule, value."""
    members = schema.get("anyOf")
    if members is not None:
        yield path, "null", any(item.get("type") == "null" for item in members)
        kinds = [item for item in members if item.get("type") != "null"]
        for item in kinds:
            yield from facts(
                item, f"{path}.[{item['properties']['sourceType']['default']}]" if len(kinds) > 1 else path
            )
    for name, item in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, "required", name in schema.get("required", ())
        yield from facts(item, here)
    if isinstance(schema.get("items"), dict):
        yield from facts(schema["items"], path if "anyOf" in schema["items"] else f"{path}.[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from facts(schema["additionalProperties"], f"{path}.*")
    for rule in ("type", "minLength", "maxLength", "pattern", "minimum", "maximum", *_EXCLUSIVE):
        if rule in schema:
            yield path, rule, schema[rule]
    if "enum" in schema:
        yield path, "enum", sorted(schema["enum"])
    # That something may be left out says "required"; an empty default is spelt in several ways.
    if schema.get("default") and not isinstance(schema["default"], dict):
        yield path, "default", schema["default"]


def of_model(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return resolved(schema, schema.get("$defs", {}))


def test_the_create_request_has_the_fields_and_rules_of_the_description() -> None:
    theirs = resolved(published("CreateRunPayload-Input"), PUBLISHED["components"]["schemas"])
    expected = {(path, rule): value for path, rule, value in facts(theirs)}
    expected |= {(path, rule): value for path, rules in STRICTER.items() for rule, value in rules.items()}
    assert {(path, rule): value for path, rule, value in facts(of_model(CreateRunRequest))} == expected


def test_the_request_for_a_session_has_the_fields_and_rules_of_the_description() -> None:
    theirs = resolved(published("SqlSessionAPIPayload"), PUBLISHED["components"]["schemas"])
    expected = {(path, rule): value for path, rule, value in facts(theirs)}
    expected |= {(path, rule): value for path, rules in SESSION_STRICTER.items() for rule, value in rules.items()}
    # Clients send it, and the description does not have it.
    expected |= {
        ("sessionKey", rule): value for rule, value in (("null", True), ("required", False), ("type", "string"))
    }
    assert {(path, rule): value for path, rule, value in facts(of_model(SqlSessionPayload))} == expected


@pytest.mark.parametrize(
    ("model", "method", "path"),
    [
        (ListQuery, "get", "/runs"),
        (LogsQuery, "get", "/runs/{run_id}/logs"),
        (SqlSessionQuery, "post", "/sql/session"),
        (SqlSessionsQuery, "get", "/sql/sessions"),
    ],
)
def test_queries_have_the_parameters_of_the_description(model: type[BaseModel], method: str, path: str) -> None:
    ours = of_model(model)["properties"]
    parameters = [item for item in PUBLISHED["paths"][path][method]["parameters"] if item["in"] == "query"]
    assert set(ours) == {item["name"] for item in parameters}
    for item in parameters:
        given = {rule: value for _, rule, value in facts(ours[item["name"]])}
        schema = resolved(item["schema"], PUBLISHED["components"]["schemas"])
        said = {rule: value for _, rule, value in facts(schema)}
        for rule in ("type", "default", "minimum", "maximum", "maxLength", "pattern"):
            assert rule not in said or given.get(rule) == said[rule], (item["name"], rule)
        assert item["required"] is False


def test_the_words_are_those_of_the_description() -> None:
    assert set(vocabulary.RUNTIMES) == set(published("RuntimeId")["enum"])
    assert set(vocabulary.RUN_STATUSES) == set(published("RunStatus")["enum"])
    assert set(vocabulary.FILE_TYPES.values()) == set(published("DependencyFileType")["enum"])
    assert {code for code, _ in _ERROR_CLASSES.values()} <= set(published("ErrorClass")["enum"])


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in PUBLISHED["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_operations_are_those_of_the_description() -> None:
    tables = (runs_api.OPERATIONS, storage_api.OPERATIONS, sql_api.OPERATIONS)
    served = {(method, path.replace(":path}", "}"), name) for table in tables for method, path, name, _ in table}
    assert served == {(method, path, operation["operationId"]) for method, path, operation in operations()}
    assert set(vocabulary.OPERATIONS) == {name for _, _, name in served}


def test_every_answer_has_every_field_of_the_description(client: Client, control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True, sql_synthetic=True)
    session = SqlClient(client.url, client.root).ready()
    environment = {"dependencies": [{"libraryName": "six"}, {"filePath": "s3://b/x.zip"}], "sparkConfigs": {"a": "b"}}
    body = {"name": "a_good_name", "runPython": {"uri": "s3://b/x.py"}, "environment": environment}
    run = client.request("POST", "/runs", json=body).json()
    jar = {"name": "a_jar_name", "runJar": {"uri": "s3://b/x.jar"}}
    control.insert_logs(run["id"], [{"timestamp": 5, "raw": "a"}])
    for answer, schema in (
        (run, "RunView"),
        (client.request("POST", "/runs", json=jar).json(), "RunView"),
        (client.get(run["id"]), "RunView"),
        (client.request("GET", "/runs").json(), "CursorPage__T_Customized_RunView_"),
        (client.log_page(run["id"]), "LogsResponse"),
        (client.request("GET", f"/runs/{run['id']}/metrics").json(), "RunMetricsResponse"),
        (client.request("GET", "/runs/nosuchrun").json(), "ErrorBody"),
        (session, "SqlSessionKubeApp"),
    ):
        assert_shape(answer, schema)
        assert list(missing(answer, published(schema))) == []
