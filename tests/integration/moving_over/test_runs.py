"""DAGs for the official provider run here when their import line is changed, over the connection they have.

Their source is beside this file, as it is for ``airflow-providers-wherobots`` 1.8.1.
"""

import importlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from local_server.tests.made_up_files import make_jar, make_wheel
from tests.integration.moving_over.moved import AIRFLOW_SECONDS, run_dags, source_of
from wherobots_local import LocalServer

IMPORT = "from airflow_providers_wherobots.operators.run import WherobotsRunOperator"
MOVED_IMPORT = "from airflow_provider_wherobots.operators.run import WherobotsRunOperator"
STYLES = ("readme", "workshop", "jar")
SCRIPTS = {
    "classify.py": "print('42 fields have a class')",
    "load_hail.py": "import sys, made_up_hail\nprint(made_up_hail.VERSION, *sys.argv[1:])",
    "summarise.py": "import sys\nprint(*sys.argv[1:])",
}
KEY = "moving-key-51c9"


@dataclass(frozen=True)
class Moved:
    """What became of the DAGs.

    :param told: the report of ``run.py``.
    :param runs: what the service knows of their runs, by the beginning of the name.
    :param with_log: ids of the runs whose log was asked for.
    """

    told: dict[str, Any]
    output: str
    runs: dict[str, dict[str, Any]]
    with_log: set[str]


@pytest.fixture(scope="module")
def lake(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[tuple[LocalServer, Path]]:
    """A service that speaks TLS, with the scripts and JARs of the DAGs, and the certificate to trust."""
    root = tmp_path_factory.mktemp("lake")
    (root / "lake" / "scripts").mkdir(parents=True)
    (root / "lake" / "jars").mkdir()
    for name, text in SCRIPTS.items():
        (root / "lake" / "scripts" / name).write_text(text)
    for name in ("echo.jar", "empty.jar"):
        make_jar(root / "lake" / "jars" / name, has_class=name == "echo.jar")
    wheels = tmp_path_factory.mktemp("wheels")
    make_wheel(wheels, "made_up_hail", "1.2")
    certfile, keyfile = certificate
    with (
        pytest.MonkeyPatch.context() as patch,
        LocalServer(root, api_key=KEY, certfile=certfile, keyfile=keyfile) as it,
    ):
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        yield it, certfile


@pytest.fixture(scope="module")
def moved(lake: tuple[LocalServer, Path], tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """All DAGs, moved over and run by a real Airflow, with a triggerer's work done in its process."""
    server, certfile = lake
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    for style in STYLES:
        if style != "jar" or shutil.which("java"):
            text = source_of(style).replace(IMPORT, MOVED_IMPORT)
            (home / "dags" / f"moving_over_{style}.py").write_text(text)
    told, output = run_dags(home, server.url, KEY, certfile)
    runs = {}
    for request in server.control.requests("createJobRun"):
        answer = requests.get(
            f"{server.url}/runs/{request['run_id']}", headers={"X-API-Key": KEY}, verify=str(certfile), timeout=30
        )
        runs[re.split(r"[-_]\d|-", answer.json()["name"])[0]] = answer.json() | {"query": request["query"]}
    with_log = {request["run_id"] for request in server.control.requests("getJobRunLogs")}
    return Moved(told, output, runs, with_log)


@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_dags_parse_without_a_word(moved: Moved) -> None:
    assert moved.told["errors"] == {}
    assert moved.told["warnings"] == []


@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_readme_style_runs(moved: Moved) -> None:
    assert moved.told["dags"]["moving_over_readme"] == {"upstream": {"classify": []}, "states": {"classify": "success"}}
    run = moved.runs["classify_fields"]
    assert run["status"] == "COMPLETED"
    assert run["query"] == "region=aws-us-west-2"
    assert re.fullmatch(r"classify_fields_\d{8}T\d{6}-[0-9a-f]+", run["name"])
    assert run["payload"] | {"runtime": "tiny-a10-gpu", "timeoutSeconds": 3600} == run["payload"]
    assert run["payload"]["runPython"]["uri"] == "s3://lake/scripts/classify.py"
    assert run["id"] in moved.with_log
    assert moved.output.count("42 fields have a class") == 1


@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_workshop_style_runs(moved: Moved) -> None:
    # `load_hail` depends on `newest_day` by nothing but the output within its `args`.
    assert moved.told["dags"]["moving_over_workshop"] == {
        "upstream": {"newest_day": [], "load_hail": ["newest_day"], "summarise": ["load_hail"]},
        "states": {"newest_day": "success", "load_hail": "success", "summarise": "success"},
    }
    run = moved.runs["load_hail"]
    assert re.fullmatch(r"load_hail_\d{8}T\d{6}-[0-9a-f]+", run["name"])
    args = ["--catalog", "org_catalog", "--end-date", "2026-05-31", "--lookback-months", "3"]
    assert run["payload"]["runPython"] == {"uri": "s3://lake/scripts/load_hail.py", "args": args}
    assert run["payload"]["environment"]["dependencies"] == [
        {"sourceType": "PYPI", "libraryName": "made_up_hail", "libraryVersion": "1.2"}
    ]
    assert moved.output.count("1.2 " + " ".join(args)) == 1
    assert moved.runs["summarise"]["status"] == "COMPLETED"


@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_jar_style_runs(moved: Moved) -> None:
    if not shutil.which("java"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no java on PATH: install a Java runtime")
    assert moved.told["dags"]["moving_over_jar"] == {"upstream": {"tile": []}, "states": {"tile": "success"}}
    run = moved.runs["moving_over_jar.tile"]
    payload = run["payload"]
    text, code = payload["runJar"]["args"]
    assert re.fullmatch(r"tiles of \d{4}-\d\d-\d\d", text)
    assert payload["runJar"] == {"uri": "s3://lake/jars/echo.jar", "args": [text, code], "mainClass": "Echo"}
    assert payload | {"runtime": "small", "version": "preview", "timeoutSeconds": 7200} == payload
    environment = payload["environment"]
    assert (environment["sparkDriverDiskGB"], environment["sparkExecutorDiskGB"]) == (20, 40)
    assert environment["sparkConfigs"] == {"spark.sql.shuffle.partitions": "8"}
    assert environment["dependencies"][0]["filePath"] == "s3://lake/jars/empty.jar"
    assert re.search(rf"Polling run {run['id']} [^\n]*its log is not copied", moved.output), "poll_logs=False"
    assert run["query"] == "region=aws-us-west-2"


INSTALLED = pytest.mark.skipif(find_spec("wherobots") is None, reason="only 3.3 has wherobots-python-dbapi")


@pytest.fixture(params=[pytest.param("wherobots.db", marks=INSTALLED), "tests.integration.moving_over.enums"])
def enums(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_enum_members_are_what_they_stand_for(enums: ModuleType) -> None:
    for region in enums.Region:
        task = WherobotsRunOperator(task_id="task", run_python={"uri": "s3://b/x.py"}, region=region)
        assert task.region == region.value
    for runtime in enums.Runtime:
        task = WherobotsRunOperator(task_id="task", run_python={"uri": "s3://b/x.py"}, runtime=runtime)
        assert task.runtime == runtime.value
