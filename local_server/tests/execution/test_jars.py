"""JARs, with a real JVM."""

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
def no_spark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH with nothing but java on it; and no PySpark in the server's Python."""
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = shutil.which("java")
    assert found is not None
    (tmp_path / "java").symlink_to(Path(found).resolve())
    monkeypatch.setenv("PATH", str(tmp_path))
    find = commands._find

    def find_without_pyspark(program: str, home: str | None, path: str) -> str | None:
        folders = [folder for folder in path.split(os.pathsep) if folder != os.path.dirname(sys.executable)]
        return find(program, home, os.pathsep.join(folders))

    monkeypatch.setattr(commands, "_find", find_without_pyspark)


@pytest.mark.usefixtures("java", "no_spark")
def test_a_jar_runs(client: Client, server: LocalServer) -> None:
    jar = {"uri": in_bucket(server, "echo.jar"), "args": ["zwei Wörter", "0"], "mainClass": "Echo"}
    run, lines = client.run(runJar=jar)
    assert lines == ["zwei Wörter"]
    assert run["payload"]["runJar"] == jar


@pytest.mark.slow
@pytest.mark.usefixtures("java", "no_spark")
def test_the_manifest_may_name_the_class_and_a_file_dependency_have_it(client: Client, server: LocalServer) -> None:
    environment = {"dependencies": [{"filePath": in_bucket(server, "echo.jar")}]}
    manifest = "Manifest-Version: 1.0\r\nMain-Class: Echo\r\n"
    uri = in_bucket(server, "manifest.jar", manifest=manifest, has_class=False)
    _, lines = client.run(runJar={"uri": uri, "args": ["found", "0"]}, environment=environment)
    assert lines == ["found"]
