"""Runs with a real Spark: PySpark and a JVM."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import requests

from local_server.tests.made_up_files import make_jar
from local_server.tests.support import KEY, Client, require
from tests.support.waiting import wait_for
from wherobots_local import LocalServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SESSION = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.appName('a test').getOrCreate()\n"


QUICK = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1", "spark.ui.enabled": "false"}
"""A JVM that starts with less work."""


@pytest.fixture(autouse=True)
def java() -> None:
    require(find_spec("pyspark"), "no pyspark in this environment")
    require(shutil.which("javac"), "no javac: install a JDK, such as default-jdk-headless")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One with a root whose name has characters that mean something in addresses and settings."""
    with LocalServer(tmp_path_factory.mktemp("my data") / "50% #1", api_key=KEY) as running:
        for bucket in ("bucket", "dots.and-dashes", "Under_score"):
            (running.root / bucket).mkdir()
        yield running


def jvms(run_id: str) -> list[psutil.Process]:
    """The JVMs of a run: those with its id in their environment."""
    return [
        process
        for process in psutil.process_iter(["name"])
        if process.info["name"] == "java" and run_id in str(environment_of(process))
    ]


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def printed(lines: list[str], *words: str) -> list[str]:
    """The lines that begin with one of these words: what the job printed, without Spark's own lines."""
    return [line for line in lines if line.partition(" ")[0] in words]


def spark_ui(client: Client, run_id: str) -> str:
    run = client.get(run_id)
    assert run["status"] not in ("FAILED", "COMPLETED"), client.lines(run_id)
    url: str = run["kubeApp"]["appMeta"]["spark_ui_url"]
    return url


def folder_of(server: LocalServer, run_id: str) -> Path:
    return server.root / ".wherobots-local" / "runs" / run_id


def test_s3_addresses_are_files_of_the_server(client: Client, server: LocalServer) -> None:
    (server.root / "bucket" / "people.csv").write_text("id,name\n1,Ada\n2,Grace\n")
    source = """
people = spark.read.csv("s3://bucket/people.csv", header=True)
for mode in ("error", "append", "overwrite", "append"):
    people.write.mode(mode).parquet("s3://dots.and-dashes/a b/out")
print("rows", spark.read.parquet("s3a://dots.and-dashes/a b/out").count())
people.write.partitionBy("name").csv("s3a://Under_score/by-name")
print("ids", [row.id for row in spark.read.csv("s3://Under_score/by-name", schema="id int, name string")
    .where("name = 'Grace'").collect()])
people.createOrReplaceTempView("people")
spark.sql("CREATE TABLE kept USING parquet AS SELECT count(*) AS n FROM people")
print("lines", spark.sparkContext.textFile("s3://bucket/people.csv").count())
print("top", spark.read.text("s3://bucket/").where("value LIKE '%,Ada'").count(), spark.read.csv("s3://bucket/*.csv").count())
print("found", spark.sql("SELECT n FROM kept").first().n)
"""
    run, lines = client.run(SESSION + source, environment={"sparkConfigs": QUICK})

    assert printed(lines, "rows", "ids", "lines", "top", "found") == [
        *("rows 4", "ids [2]", "lines 3", "top 1 3", "found 2")
    ]
    assert {path.name for path in (server.root / "Under_score" / "by-name").iterdir()} == {
        *("_SUCCESS", "name=Ada", "name=Grace")
    }
    # Hadoop's other local file system writes a checksum file next to each file.
    assert not list(server.root.glob("[!.]*/**/.*"))
    own = folder_of(server, run["id"])
    assert {path.name for path in own.iterdir()} >= {"spark-conf", "spark-warehouse"}
    assert not (own / "tmp" / "jvm").exists()


def test_the_ui_and_the_log_are_those_of_the_running_spark(client: Client, server: LocalServer) -> None:
    go = server.root / "go"
    source = f"""{SESSION}
import os, time
print("ready", flush=True)
while not os.path.exists({str(go)!r}):
    time.sleep(0.1)
spark.stop()
print("stopped", flush=True)
while not os.path.exists({str(go)!r} + "2"):
    time.sleep(0.1)
"""
    run_id = client.create(source)["id"]
    assert spark_ui(client, run_id) == ""
    client.wait(run_id, "RUNNING")
    url = wait_for(lambda: spark_ui(client, run_id), what="the address of the Spark UI")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    client.wait_for_line(run_id, "ready")
    assert "a test - Spark Jobs" in requests.get(url, timeout=30).text
    (driver,) = jvms(run_id)
    assert {
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in driver.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    } == {"127.0.0.1"}

    go.touch()
    client.wait_for_line(run_id, "stopped")
    wait_for(lambda: not spark_ui(client, run_id), what="the address to be gone")
    (server.root / "go2").touch()
    ended = client.wait(run_id, "COMPLETED")
    assert ended["kubeApp"]["appMeta"]["spark_ui_url"] == ""
    lines = client.lines(run_id)
    assert any(" INFO SparkContext: Running Spark version" in line for line in lines)
    assert any(" WARN " in line for line in lines)
    assert not any(" ERROR " in line for line in lines)


def test_settings_and_files_reach_spark_and_its_workers(client: Client, server: LocalServer) -> None:
    files = server.root / "bucket"
    with zipfile.ZipFile(files / "code.zip", "w") as code:
        code.writestr("zipped.py", "def twice(x):\n    return 2 * x\n")
    with zipfile.ZipFile(files / "wheeled-1.0-py3-none-any.whl", "w") as code:
        code.writestr("wheeled/__init__.py", "def thrice(x):\n    return 3 * x\n")
    make_jar(files / "echo.jar")
    source = f"""{SESSION}
def worked(x):
    import wheeled, zipped
    return wheeled.thrice(zipped.twice(x))
print("worked", sorted(spark.sparkContext.parallelize([1, 2]).map(worked).collect()))
print("set", spark.conf.get("spark.sql.shuffle.partitions"), spark.sparkContext.master)
print("memory", spark.sparkContext._jvm.java.lang.Runtime.getRuntime().maxMemory() < 600 * 2**20)
print("class", spark.sparkContext._jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass("Echo"))
"""
    names = ("code.zip", "wheeled-1.0-py3-none-any.whl", "echo.jar")
    environment = {
        "dependencies": [{"filePath": f"s3://bucket/{name}"} for name in names],
        "sparkConfigs": {
            **QUICK,
            "spark.sql.shuffle.partitions": "3",
            "spark.master": "local[2]",
            "spark.driver.memory": "512m",
        },
    }
    _, lines = client.run(source, environment=environment)

    assert printed(lines, "worked", "set", "memory", "class") == [
        *("worked [6, 12]", "set 3 local[2]", "memory True", "class class Echo")
    ]


def test_a_cancel_ends_the_jvm(client: Client, server: LocalServer) -> None:
    source = f"{SESSION}spark.range(10**15).selectExpr('sum(sqrt(id))').collect()"
    run_id = client.create(source)["id"]
    wait_for(lambda: spark_ui(client, run_id), what="the address of the Spark UI")
    running = jvms(run_id)
    assert running

    client.cancel(run_id)
    client.wait(run_id, "CANCELLED")

    assert not [process for process in running if process.is_running()]
    assert jvms(run_id) == []
    assert spark_ui(client, run_id) == ""
    assert not (folder_of(server, run_id) / "tmp" / "jvm").exists()


JAVA_JOB = """
import org.apache.spark.sql.SparkSession;

public class Count {
    public static void main(String[] args) {
        SparkSession spark = SparkSession.builder().getOrCreate();
        System.out.println("counted " + spark.read().text(args[0]).count());
        System.out.println("set " + spark.conf().get("spark.sql.shuffle.partitions"));
        spark.stop();
    }
}
"""


def test_a_jar_that_uses_spark_is_submitted(client: Client, server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "Count.java").write_text(JAVA_JOB)
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars"
    subprocess.run(["javac", "-cp", f"{jars}/*", "-d", str(tmp_path), str(tmp_path / "Count.java")], check=True)
    with zipfile.ZipFile(server.root / "bucket" / "count.jar", "w") as jar:
        jar.write(tmp_path / "Count.class", "Count.class")
    (server.root / "bucket" / "three.txt").write_text("a\nb\nc\n")
    body = {"uri": "s3://bucket/count.jar", "mainClass": "Count", "args": ["s3://bucket/three.txt"]}

    _, lines = client.run(runJar=body, environment={"sparkConfigs": {**QUICK, "spark.sql.shuffle.partitions": "5"}})

    assert printed(lines, "counted", "set") == ["counted 3", "set 5"]


def test_without_spark_no_jvm_is_started(client: Client, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    started = server.root / "started"
    programs = server.root / "programs"
    programs.mkdir()
    for name in ("java", "spark-submit"):
        (programs / name).write_text(f"#!/bin/sh\ntouch '{started}'\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    client.run("print('no Spark here')", environment={"sparkConfigs": {"spark.a": "1"}})
    assert not started.exists()
    # The programs of this test are those that PySpark would start.
    client.run(SESSION, status="FAILED")
    assert started.exists()
