"""JARs, with a real JVM."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.made_up_files import make_jar
from local_server.tests.support import Client, require
from wherobots_local import LocalServer
from wherobots_local.execution import commands


@pytest.fixture
def java() -> None:
    require(shutil.which("java"), "no java on PATH: install a Java runtime, headless is enough")


def in_bucket(server: LocalServer, name: str, **what: Any) -> str:
    """Make a JAR in the bucket, and return its address."""
    make_jar(server.root / "bucket" / name, **what)
    return f"s3://bucket/{name}"


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing but java on it, where there is one; and no PySpark in the server's Python."""
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = shutil.which("java")
    if found is not None:
        (tmp_path / "java").symlink_to(Path(found).resolve())
    monkeypatch.setenv("PATH", str(tmp_path))
    find = commands._find

    def find_without_pyspark(program: str, home: str | None, path: str) -> str | None:
        folders = [folder for folder in path.split(os.pathsep) if folder != os.path.dirname(sys.executable)]
        return find(program, home, os.pathsep.join(folders))

    monkeypatch.setattr(commands, "_find", find_without_pyspark)
    return tmp_path


@pytest.mark.usefixtures("java", "no_spark")
def test_a_jar_runs(client: Client, server: LocalServer) -> None:
    jar = {"uri": in_bucket(server, "echo.jar"), "args": ["zwei Wörter", "0"], "mainClass": "Echo"}
    run, lines = client.run(runJar=jar)
    assert lines == ["zwei Wörter"]
    assert run["payload"]["runJar"] == jar


@pytest.mark.slow
@pytest.mark.usefixtures("java", "no_spark")
def test_the_manifest_may_name_the_class(client: Client, server: LocalServer) -> None:
    uri = in_bucket(server, "manifest.jar", manifest="Manifest-Version: 1.0\r\nMain-Class: Echo\r\n")
    _, lines = client.run(runJar={"uri": uri, "args": ["hello", "0"]})
    assert lines == ["hello"]


@pytest.mark.slow
@pytest.mark.usefixtures("java", "no_spark")
def test_the_exit_code_of_a_jar_decides(client: Client, server: LocalServer) -> None:
    jar = {"uri": in_bucket(server, "echo.jar"), "args": ["hello", "3"], "mainClass": "Echo"}
    run, _ = client.run(runJar=jar, status="FAILED")
    assert run["kubeApp"]["message"] == "The process exited with code 3: hello"


@pytest.mark.slow
@pytest.mark.usefixtures("java", "no_spark")
def test_an_exception_is_the_reason(client: Client, server: LocalServer) -> None:
    jar = {"uri": in_bucket(server, "echo.jar"), "args": [], "mainClass": "Echo"}
    run, _ = client.run(runJar=jar, status="FAILED")
    assert "ArrayIndexOutOfBoundsException" in run["kubeApp"]["message"]


@pytest.mark.slow
@pytest.mark.usefixtures("java", "no_spark")
def test_file_dependencies_are_on_the_class_path(client: Client, server: LocalServer) -> None:
    uri = in_bucket(server, "echo.jar")
    environment = {"dependencies": [{"filePath": uri}]}
    body = {"uri": in_bucket(server, "empty.jar", has_class=False), "args": ["found", "0"], "mainClass": "Echo"}
    _, lines = client.run(runJar=body, environment=environment)
    assert lines == ["found"]


def test_spark_submit_comes_first(client: Client, server: LocalServer, no_spark: Path) -> None:
    program = no_spark / "spark-submit"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(0o755)
    uri = in_bucket(server, "echo.jar")
    body = {"uri": uri, "args": ["a b", "0"], "mainClass": "Echo"}
    _, lines = client.run(runJar=body, environment={"sparkConfigs": {"spark.x": "1 2"}})
    assert lines == ["--class", "Echo", "--conf", "spark.x=1 2", str(server.root / "bucket" / "echo.jar"), "a b", "0"]


def test_without_spark_and_java_the_run_names_what_to_install(
    client: Client, server: LocalServer, no_spark: Path
) -> None:
    (no_spark / "java").unlink(missing_ok=True)
    run, _ = client.run(runJar={"uri": in_bucket(server, "echo.jar"), "mainClass": "Echo"}, status="FAILED")
    assert "install Apache Spark" in run["kubeApp"]["message"]
