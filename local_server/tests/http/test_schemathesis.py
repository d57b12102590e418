"""schemathesis against a running server: requests made from the published description, wrong ones and right ones.

No request may get a 500, and each answer must be one that the description has: its status, its content type, its shape.
A right request must be accepted, and one with wrong parameters refused. That wrong bodies are refused is tested in
test_create_request.py. Where the server is stricter than the description on purpose, the description is made as strict
here first: these amendments are the whole difference.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, PUBLISHED
from wherobots_local import LocalServer
from wherobots_local.api.errors import REGIONS

EXAMPLES = max(settings().max_examples // 5, 6)
"""How many requests of each kind are made of an operation. At least six: every other one has values that lead to
something, and for some operations only one of three does."""

NOT_BLANK = {"type": "string", "pattern": r"\S"}
ENDING = r"^s3://b/\w+\.(jar|whl|zip|json)$"
NEITHER_OF_RULES = {404, 409, 400}
"""What a right request may meet all the same: no such run or file, something in the way, a bucket that is not there."""


def described() -> dict[str, Any]:
    """The published description with the rules that only this server has."""
    amended: dict[str, Any] = copy.deepcopy(PUBLISHED)
    schemas, paths = amended["components"]["schemas"], amended["paths"]
    body = schemas["CreateRunPayload-Input"]
    # Exactly one kind of run; else 400.
    body["oneOf"] = [{"required": [kind], "properties": {kind: {"type": "object"}}} for kind in ("runPython", "runJar")]
    for kind, other in (("runPython", "runJar"), ("runJar", "runPython")):
        place = 0 if kind == "runPython" else 1
        body["oneOf"][place]["properties"][other] = {"type": "null"}
    body["properties"]["timeoutSeconds"]["exclusiveMinimum"] = 0
    for kind in ("RunPythonPayload", "RunJarPayload"):
        schemas[kind]["properties"]["uri"] = NOT_BLANK
        schemas[kind]["properties"]["args"]["items"]["pattern"] = r"^[^\x00]*$"
    schemas["RunJarPayload"]["properties"]["mainClass"] = {"anyOf": [{"const": "a.B"}, {"type": "null"}]}
    # Answers are held against the description as it is.
    schemas["PyPiDependency-Output"] = copy.deepcopy(schemas["PyPiDependency"])
    dependencies = schemas["RunEnvironment-Output"]["properties"]["dependencies"]
    dependencies["items"]["anyOf"][0] = {"$ref": "#/components/schemas/PyPiDependency-Output"}
    pypi, file = schemas["PyPiDependency"]["properties"], schemas["FileDependency-Input"]["properties"]
    pypi["libraryName"]["pattern"] = r"^[a-z]+$"
    pypi["libraryVersion"] = {"anyOf": [{"type": "string", "pattern": r"^[0-9]+$"}, {"type": "null"}]}
    file["filePath"]["pattern"] = ENDING
    pypi["sourceType"], file["sourceType"] = {"const": "PYPI"}, {"const": "FILE"}
    limit_lives(schemas["SqlSessionAPIPayload"]["properties"])
    # Only the cursors of this server.
    parameters = [
        (method, item)
        for methods in paths.values()
        for method, call in methods.items()
        for item in call.get("parameters", ())
    ]
    for method, item in parameters:
        if item["name"] == "cursor":
            item["schema"] = {"const": ""}
        elif item["name"] == "region" and method == "post":
            item["schema"] = {"enum": [*REGIONS, "byoc-acme-us-east-1"]}
        elif item["name"] in ("size", "limit"):
            item["schema"] |= {"minimum": 0, **({"maximum": 1000} if item["name"] == "limit" else {})}
        elif item["name"] == "new_name":
            item["schema"] = {"type": "string", "pattern": r"^(?!\.\.?$)[^/\x00]+$"}
    # A download is a redirect: the description has only what is found at its end.
    for path in ("/storage/{storage_id}/files/{path}", "/files/download"):
        paths[path]["get"]["responses"]["307"] = {"description": "the file"}
    for methods in paths.values():
        for call in methods.values():
            for answer in call["responses"].values():
                answer.setdefault("description", "")
    return amended


def limit_lives(properties: dict[str, Any]) -> None:
    """A session lives for at least a second, and not for ever."""
    for name in ("idleTimeoutMinutes", "shutdownAfterInactiveSeconds"):
        properties[name]["anyOf"][0] |= {"minimum": 1, "exclusiveMaximum": 2**31}


CALLS = [
    (method, path)
    for path, methods in PUBLISHED["paths"].items()
    for method in methods
    # Always a 404: there are no temporary keys.
    if path != "/storage/credentials"
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    root: Path = tmp_path_factory.mktemp("root")
    (root / "bucket").mkdir()
    with LocalServer(root, api_key=KEY, behaviour={"synthetic_runs": True, "sql_synthetic": True}) as running:
        yield running


@pytest.fixture(scope="module")
def schema(server: LocalServer) -> Any:
    loaded = schemathesis.openapi.from_dict(described())
    loaded.config.update(base_url=server.url)
    return loaded


@pytest.fixture(scope="module")
def known(server: LocalServer) -> dict[str, list[str]]:
    """Values of parameters that lead to something."""
    run = server.control.create_run("a_run_to_find")
    server.control.insert_logs(run["id"], [{"timestamp": 5, "raw": "a"}])
    session_id = SqlClient(server.url, root=server.root).ask()
    return {
        "run_id": [run["id"]],
        "session_id": [session_id],
        "storage_id": ["user_files::aws-us-west-2"],
        "integration_id": ["local0storage0"],
        "path": ["a", "a/b.txt", "data"],
        "key": ["bucket/x.py", "managed-storage/a/b.txt"],
        "dir": ["bucket", "/"],
    }


def put_files_in_place(root: Path) -> None:
    """What earlier requests have removed or renamed is there again."""
    for path in ("managed-storage/local0org00000/data/customer-local0user0000/a/b.txt", "bucket/x.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.parametrize("mode", ["positive", pytest.param("negative", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_request_breaks_the_contract(
    method: str, path: str, mode: str, schema: Any, known: dict[str, list[str]], server: LocalServer
) -> None:
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    has_body = "requestBody" in PUBLISHED["paths"][path][method]
    operation = schema[path][method]
    seen: Counter[int] = Counter()
    headers = {"X-API-Key": KEY}

    @seed(20261126)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def send(case: Any) -> None:
        # Every other time: what is made up leads to 404 before anything else is looked at.
        for place in (case.path_parameters, case.query):
            for name, values in known.items():
                if place and isinstance(place.get(name), str) and seen.total() % 2:
                    place[name] = values[seen.total() // 2 % len(values)]
        put_files_in_place(server.root)
        excluded = [positive_data_acceptance]
        is_repeated = any(isinstance(value, list | dict) for value in (case.query or {}).values())
        if has_body or is_repeated:
            # Wrong by the description, but accepted: pydantic takes false for 0 in a body, and FastAPI, which the
            # service is made with, takes the last of several equal parameters.
            excluded.append(negative_data_rejection)
        answer = case.call(headers=headers, allow_redirects=False)
        seen[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        # Whether a right request is accepted is looked at here: 400 has its reasons too.
        case.validate_response(answer, headers=headers, excluded_checks=excluded)
        if mode == "positive":
            assert answer.status_code < 400 or answer.status_code in NEITHER_OF_RULES, answer.text

    try:
        send()
    except Unsatisfiable:
        # Nothing about this operation can be wrong.
        assert mode == "negative"
        return
    if mode == "positive":
        assert min(seen) < 400, seen
