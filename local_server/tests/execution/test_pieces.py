"""Small decisions of running things: lines, reasons, Spark settings, environments, manifests."""

import asyncio
import contextlib
import os
import signal
import sys
import zipfile
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import wait_for
from wherobots_local.execution import commands, guard
from wherobots_local.execution import process as process_module
from wherobots_local.execution.commands import (
    CommandError,
    install_environment,
    jar_command,
    manifest_main_class,
    run_environment,
)
from wherobots_local.execution.failures import failure_message
from wherobots_local.execution.process import GuardedProcess, LineSplitter
from wherobots_local.execution.spark import (
    properties,
    server_settings,
    storage_settings,
    ui_port,
    with_jars,
    write_conf_folder,
)
from wherobots_local.execution.virtual_environments import environment_key
from wherobots_local.execution.workspace import Workspace


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\xff", b"xyz"])), st.integers(1, 5))
def test_lines_do_not_depend_on_how_they_were_read(parts: list[bytes], size: int) -> None:
    text = b"".join(parts)
    splitter = LineSplitter()
    found = [block for start in range(0, len(text), size) for block in splitter.feed(text[start : start + size])]
    found += splitter.finish()
    assert b"".join(found) == (text if text.endswith(b"\n") or not text else text + b"\n")
    assert all(block.endswith(b"\n") for block in found)


def test_output_without_line_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MAX_LINE_BYTES", 10)
    splitter = LineSplitter()
    found = [line for _ in range(10) for line in splitter.feed(b"abc")] + list(splitter.finish())
    assert b"".join(found).replace(b"\n", b"") == b"abc" * 10
    assert {len(line) for line in found} == {4, 10}


@pytest.mark.parametrize(
    ("code", "lines", "message"),
    [
        (3, [], "The process exited with code 3"),
        (-9, ["working"], "The process was ended by signal 9 (SIGKILL): working"),
        (
            1,
            ["Traceback (most recent call last):", "  x", "pkg.BadError: no such column", "", "bye"],
            "The process exited with code 1: pkg.BadError: no such column",
        ),
        (
            1,
            ['Exception in thread "main" java.lang.IllegalStateException: x', "\tat A.main"],
            'The process exited with code 1: Exception in thread "main" java.lang.IllegalStateException: x',
        ),
    ],
)
def test_reasons(code: int, lines: list[str], message: str) -> None:
    assert failure_message(code, lines) == message


def test_spark_settings_go_behind_the_users_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "spark-defaults.conf").write_text("spark.a  theirs")
    (own / "log4j2.properties").write_text("x")
    write_conf_folder(tmp_path / "conf", {"spark.a": "ours", "spark.b": "x y"}, own, {"spark.a": "the server's"})
    assert (tmp_path / "conf" / "spark-defaults.conf").read_text() == (
        "spark.a=the server's\nspark.a  theirs\nspark.a=ours\nspark.b=x y\n"
    )
    assert (tmp_path / "conf" / "log4j2.properties").read_text() == "x"
    assert (own / "spark-defaults.conf").read_text() == "spark.a  theirs"


def test_spark_logs_with_levels_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    write_conf_folder(tmp_path / "conf", {"spark.a": "run"}, None, {"spark.a": "server"})
    assert (tmp_path / "conf" / "spark-defaults.conf").read_text() == "spark.a=server\nspark.a=run\n"
    assert "pattern = %d{yy/MM/dd HH:mm:ss} %p" in (tmp_path / "conf" / "log4j2.properties").read_text()
    own = tmp_path / "own"
    own.mkdir()
    (own / "log4j2.xml").write_text("x")
    write_conf_folder(tmp_path / "conf2", {}, own)
    assert {path.name for path in (tmp_path / "conf2").iterdir()} == {"log4j2.xml", "spark-defaults.conf"}


def test_each_bucket_is_a_mount_point_of_hadoop(tmp_path: Path) -> None:
    root = tmp_path / "a root, 100%"
    for name in ("data", "data.v2", "data-v2", ".wherobots-local"):
        (root / name).mkdir(parents=True)
    (root / "a-file").touch()
    (root / "outside").symlink_to(tmp_path)
    mounts = {key: value for key, value in storage_settings(root).items() if "mounttable" in key}
    address = f"wherobots-local://{quote(str(root))}"
    # Not data.v2: Hadoop would take its setting for a wrong one of the bucket data.
    assert mounts == {
        "spark.hadoop.fs.viewfs.mounttable.data.linkFallback": f"{address}/data",
        "spark.hadoop.fs.viewfs.mounttable.data-v2.linkFallback": f"{address}/data-v2",
    }


def test_the_temporary_folder_of_spark_is_the_runs_own_unless_it_has_a_comma(tmp_path: Path) -> None:
    option = "spark.driver.defaultJavaOptions"
    assert server_settings(tmp_path, tmp_path, Path('/a "b"'))[option] == '-Djava.io.tmpdir="/a \\"b\\""'
    assert option not in server_settings(tmp_path, tmp_path, Path("/a,b"))


@pytest.mark.parametrize(
    ("settings", "port"),
    [({}, 21000), ({"spark.ui.port": " 4040 "}, 4040), ({"spark.ui.port": "x"}, 0), ({"spark.ui.port": "65536"}, 0)],
)
def test_the_port_of_the_spark_ui(settings: dict[str, str], port: int) -> None:
    assert ui_port(settings, 21000) == port


def test_spark_settings_are_escaped() -> None:
    assert properties({"a b": " lead\\back\nline"}) == "a\\ b=\\ lead\\\\back\\nline\n"


def test_jars_join_those_of_the_settings() -> None:
    assert with_jars({"spark.jars": "/x.jar"}, [Path("/y.jar")]) == {"spark.jars": "/x.jar,/y.jar"}
    assert with_jars({}, []) == {}


def test_the_environment_of_a_run_is_minimal(tmp_path: Path) -> None:
    own = {"PATH": "/usr/bin", "WHEROBOTS_API_KEY": "k", "AIRFLOW_HOME": "/a", "AWS_SECRET_ACCESS_KEY": "s", "X": "1"}
    workspace = Workspace(root=tmp_path, folder=tmp_path / "r", home=tmp_path / "h", temporary=tmp_path / "t")
    passed = ["X", "WHEROBOTS_API_KEY", "MISSING"]
    environment = run_environment(own, workspace, "r", Path("/v/bin/python"), passed)
    assert environment["X"] == "1"
    assert environment["PATH"] == "/v/bin:/usr/bin"
    assert not {"WHEROBOTS_API_KEY", "AIRFLOW_HOME", "AWS_SECRET_ACCESS_KEY", "MISSING"} & set(environment)


def test_pip_sees_its_own_settings_but_not_the_key(tmp_path: Path) -> None:
    own = {"PIP_CERT": "/c.pem", "PIP_TARGET": "/x", "PIP_USER": "1", "WHEROBOTS_API_KEY": "k", "HOME": "/h"}
    environment = install_environment(own, folder=tmp_path)
    assert environment["PIP_CERT"] == "/c.pem"
    assert environment["HOME"] == "/h"
    assert environment["PIP_USER"] == "0"
    assert not {"WHEROBOTS_API_KEY", "PIP_TARGET"} & set(environment)


def test_environments_are_named_by_their_set() -> None:
    assert environment_key(["a", "b"]) == environment_key(["b", "a", "a"])
    assert environment_key(["a"]) != environment_key(["a==1"])


def make_jar(path: Path, manifest: str | None) -> Path:
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("A.class", b"")
        if manifest is not None:
            jar.writestr("META-INF/MANIFEST.MF", manifest)
    return path


@pytest.mark.parametrize(
    ("manifest", "main_class"),
    [
        (None, None),
        ("Manifest-Version: 1.0\r\n", None),
        ("Manifest-Version: 1.0\r\nMain-Class: com.example.Main\r\n", "com.example.Main"),
        ("Main-Class: com.exam\r\n ple.Main\r\n", "com.example.Main"),
    ],
)
def test_manifests(manifest: str | None, main_class: str | None, tmp_path: Path) -> None:
    assert manifest_main_class(make_jar(tmp_path / "a.jar", manifest)) == main_class


def test_commands_of_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = make_jar(tmp_path / "a.jar", None)
    found = {"spark-submit": "/s/spark-submit", "java": "/j/java"}
    monkeypatch.setattr(commands, "_find", lambda program, *_: found.get(program))

    def command(main_class: str | None = "A") -> list[str]:
        settings, class_path = {"spark.a": "1", "b": "2"}, [Path("/d.jar")]
        return jar_command(
            {}, Path("/v/bin/python"), jar, ["x"], main_class=main_class, class_path=class_path, settings=settings
        )

    conf = [*("--conf", "spark.a=1", "--conf", "b=2", "--conf", "spark.jars=/d.jar")]
    assert command() == ["/s/spark-submit", "--class", "A", *conf, str(jar), "x"]
    with pytest.raises(CommandError, match="mainClass"):
        command(main_class=None)
    del found["spark-submit"]
    assert command() == ["/j/java", "-Dspark.a=1", "-cp", f"{jar}:/d.jar", "A", "x"]
    del found["java"]
    with pytest.raises(CommandError, match="install Apache Spark"):
        command()


def test_a_file_that_is_no_jar(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_text("x")
    with pytest.raises(CommandError, match="not a JAR"):
        manifest_main_class(tmp_path / "a.jar")


def test_a_process_does_not_outlive_a_start_that_is_cancelled(tmp_path: Path) -> None:
    async def ignore(_: bytes) -> None:
        pass

    async def live() -> None:
        start = GuardedProcess.start(["sleep", "600"], environment=os.environ, folder=tmp_path, on_output=ignore)
        async with await start as process:
            await process.wait()

    async def cancel_after(steps: int) -> None:
        task = asyncio.create_task(live())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def cancel_at_each_step() -> None:
        # A start waits for something else at each of its first steps of the event loop.
        await asyncio.gather(*[cancel_after(steps) for steps in range(1, 12)])

    before = len(psutil.Process().children())
    asyncio.run(cancel_at_each_step())
    wait_for(lambda: len(psutil.Process().children()) <= before, what="the guards to end")


def test_a_stop_while_the_guard_starts_ends_the_program_by_sigterm(tmp_path: Path) -> None:
    async def ignore(_: bytes) -> None:
        pass

    async def start_and_stop() -> int:
        started = await GuardedProcess.start(
            ["sleep", "600"], environment=os.environ, folder=tmp_path, on_output=ignore
        )
        return await started.stop(grace_seconds=30)

    assert {asyncio.run(start_and_stop()) for _ in range(5)} == {-signal.SIGTERM}


def test_a_program_whose_guard_is_gone_is_not_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"import os\nfrom {guard.__name__} import _become\n_become(['touch', {str(started)!r}], %s)"
    for parent, found in (("1", False), ("os.getppid()", True)):
        process = Popen([sys.executable, "-c", script % parent])
        assert process.wait() == (0 if found else guard.NOT_STARTED)
        assert started.exists() == found
