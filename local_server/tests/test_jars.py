"""JARs, with a real JVM: the class file is made here, so that no compiler is needed."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from local_server.tests.support import Client
from wherobots_local import LocalServer
from wherobots_local.execution import commands


@pytest.fixture
def java() -> None:
    if shutil.which("java") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no java on PATH: install a Java runtime, headless is enough"
        )


def class_file(name: str, code: bytes, pool: list[bytes]) -> bytes:
    """A class with ``public static void main(String[])``; the pool's first five entries are what every one needs."""
    base = [utf8(name), b"\x07" + u2(1), utf8("java/lang/Object"), b"\x07" + u2(3), utf8("main")]
    base += [utf8("([Ljava/lang/String;)V"), utf8("Code")]
    attribute = u2(4) + u2(2) + struct.pack(">I", len(code)) + code + u2(0) + u2(0)
    method = u2(0x0009) + u2(5) + u2(6) + u2(1) + u2(7) + struct.pack(">I", len(attribute)) + attribute
    entries = base + pool
    head = b"\xca\xfe\xba\xbe" + u2(0) + u2(49) + u2(len(entries) + 1) + b"".join(entries)
    return head + u2(0x0021) + u2(2) + u2(4) + u2(0) + u2(0) + u2(1) + method + u2(0)


def u2(number: int) -> bytes:
    return struct.pack(">H", number)


def utf8(text: str) -> bytes:
    return b"\x01" + u2(len(text)) + text.encode()


def reference(kind: int, owner: int, name_and_type: int) -> bytes:
    return bytes([kind]) + u2(owner) + u2(name_and_type)


# Entries 8 and up: System.out, PrintStream.println(String), Integer.parseInt(String), System.exit(int).
POOL = [
    *(utf8("java/lang/System"), b"\x07" + u2(8), utf8("out"), utf8("Ljava/io/PrintStream;"), b"\x0c" + u2(10) + u2(11)),
    reference(9, 9, 12),
    *(utf8("java/io/PrintStream"), b"\x07" + u2(14), utf8("println"), utf8("(Ljava/lang/String;)V")),
    *(b"\x0c" + u2(16) + u2(17), reference(10, 15, 18)),
    *(utf8("java/lang/Integer"), b"\x07" + u2(20), utf8("parseInt"), utf8("(Ljava/lang/String;)I")),
    *(b"\x0c" + u2(22) + u2(23), reference(10, 21, 24)),
    *(utf8("exit"), utf8("(I)V"), b"\x0c" + u2(26) + u2(27), reference(10, 9, 28)),
]
# System.out.println(args[0]); System.exit(Integer.parseInt(args[1]));
CODE = bytes.fromhex("b2 000d 2a 03 32 b6 0013 2a 04 32 b8 0019 b8 001d b1")


def make_jar(server: LocalServer, name: str, *, manifest: str = "Manifest-Version: 1.0\r\n") -> str:
    folder = server.root / "bucket"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", manifest)
        jar.writestr("Echo.class", class_file("Echo", CODE, POOL))
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
    jar = {"uri": make_jar(server, "echo.jar"), "args": ["zwei Wörter", "0"], "mainClass": "Echo"}
    run, lines = client.run(runJar=jar)
    assert lines == ["zwei Wörter"]
    assert run["payload"]["runJar"] == jar


@pytest.mark.usefixtures("java", "no_spark")
def test_the_manifest_may_name_the_class(client: Client, server: LocalServer) -> None:
    uri = make_jar(server, "manifest.jar", manifest="Manifest-Version: 1.0\r\nMain-Class: Echo\r\n")
    _, lines = client.run(runJar={"uri": uri, "args": ["hello", "0"]})
    assert lines == ["hello"]


@pytest.mark.usefixtures("java", "no_spark")
def test_the_exit_code_of_a_jar_decides(client: Client, server: LocalServer) -> None:
    jar = {"uri": make_jar(server, "echo.jar"), "args": ["hello", "3"], "mainClass": "Echo"}
    run, _ = client.run(runJar=jar, status="FAILED")
    assert run["kubeApp"]["message"] == "The process exited with code 3: hello"


@pytest.mark.usefixtures("java", "no_spark")
def test_an_exception_is_the_reason(client: Client, server: LocalServer) -> None:
    jar = {"uri": make_jar(server, "echo.jar"), "args": [], "mainClass": "Echo"}
    run, _ = client.run(runJar=jar, status="FAILED")
    assert "ArrayIndexOutOfBoundsException" in run["kubeApp"]["message"]


@pytest.mark.usefixtures("java", "no_spark")
def test_file_dependencies_are_on_the_class_path(client: Client, server: LocalServer) -> None:
    uri = make_jar(server, "echo.jar")
    with zipfile.ZipFile(server.root / "bucket" / "empty.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n")
    environment = {"dependencies": [{"filePath": uri}]}
    body = {"uri": "s3://bucket/empty.jar", "args": ["found", "0"], "mainClass": "Echo"}
    _, lines = client.run(runJar=body, environment=environment)
    assert lines == ["found"]


def test_spark_submit_comes_first(client: Client, server: LocalServer, no_spark: Path) -> None:
    program = no_spark / "spark-submit"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(0o755)
    uri = make_jar(server, "echo.jar")
    body = {"uri": uri, "args": ["a b", "0"], "mainClass": "Echo"}
    _, lines = client.run(runJar=body, environment={"sparkConfigs": {"spark.x": "1 2"}})
    assert lines == ["--class", "Echo", "--conf", "spark.x=1 2", str(server.root / "bucket" / "echo.jar"), "a b", "0"]


def test_without_spark_and_java_the_run_says_what_to_install(
    client: Client, server: LocalServer, no_spark: Path
) -> None:
    (no_spark / "java").unlink(missing_ok=True)
    run, _ = client.run(runJar={"uri": make_jar(server, "echo.jar"), "mainClass": "Echo"}, status="FAILED")
    assert "install Apache Spark" in run["kubeApp"]["message"]
