"""The body of a create request: what is sent, what is refused, and what is shown."""

import json
from datetime import timedelta
from enum import Enum
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.runs.payload import build_payload, checked_choice, local_files, redact

PYTHON = {"uri": "s3://bucket/job.py"}
NAN = float("nan")


class Runtime(Enum):
    TINY = "tiny"


class TextRuntime(str, Enum):  # noqa: UP042 - the official provider's enums are of this kind
    TINY = "tiny"


class Source(Enum):
    FILE = "FILE"


def build(**arguments: Any) -> dict[str, Any]:
    return build_payload(**({"name": "hail_stats", "run_python": PYTHON} | arguments))


def test_only_what_is_given_is_sent() -> None:
    assert build() == {"name": "hail_stats", "runPython": {"uri": "s3://bucket/job.py"}}


def test_a_python_run_with_everything() -> None:
    assert build(
        run_python={"uri": " s3://bucket/job.py", "args": ["--n", 5, 1.5, "x"]},
        runtime="tiny",
        version="latest",
        timeout_seconds=60,
        environment={
            "sparkDriverDiskGB": 50,
            "sparkExecutorDiskGB": "60",
            "sparkConfigs": {"a": True, "b": False, "c": 5, "d": 1.5, "e": "x"},
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "pandas", "libraryVersion": "2.2.0"},
                {"libraryName": "shapely", "libraryVersion": None},
                {"sourceType": "FILE", "filePath": "s3://b/x.whl"},
                {"filePath": "s3://b/x.json"},
                {"sourceType": Source.FILE, "filePath": "s3://b/x.zip"},
            ],
        },
    ) == {
        "name": "hail_stats",
        "runPython": {"uri": "s3://bucket/job.py", "args": ["--n", "5", "1.5", "x"]},
        "runtime": "tiny",
        "version": "latest",
        "timeoutSeconds": 60,
        "environment": {
            "sparkDriverDiskGB": 50,
            "sparkExecutorDiskGB": 60,
            "sparkConfigs": {"a": "true", "b": "false", "c": "5", "d": "1.5", "e": "x"},
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "pandas", "libraryVersion": "2.2.0"},
                {"sourceType": "PYPI", "libraryName": "shapely"},
                {"sourceType": "FILE", "filePath": "s3://b/x.whl"},
                {"sourceType": "FILE", "filePath": "s3://b/x.json"},
                {"sourceType": "FILE", "filePath": "s3://b/x.zip"},
            ],
        },
    }


def test_a_jar_run() -> None:
    jar = {"uri": "s3://bucket/job.jar", "args": ("a",), "mainClass": "org.example.Main"}
    assert build(run_python=None, run_jar=jar) == {
        "name": "hail_stats",
        "runJar": {"uri": "s3://bucket/job.jar", "args": ["a"], "mainClass": "org.example.Main"},
    }


def test_an_enum_member_that_is_a_string_counts_by_what_it_stands_for() -> None:
    built = build(
        run_python={**PYTHON, "args": [TextRuntime.TINY]}, environment={"sparkConfigs": {"a": TextRuntime.TINY}}
    )
    assert json.dumps(built["runPython"]["args"]) == '["tiny"]'
    assert json.dumps(built["environment"]["sparkConfigs"]) == '{"a": "tiny"}'


@pytest.mark.parametrize("argument", ["runtime", "version", "region"])
@pytest.mark.parametrize("value", [Runtime.TINY, TextRuntime.TINY, "tiny", " tiny\n", None, "", " ", 5])
def test_runtime_version_and_region_follow_one_rule(argument: str, value: Any) -> None:
    def choose() -> Any:
        return checked_choice(argument, value) if argument == "region" else build(**{argument: value}).get(argument)

    if value in ("", " ", 5):
        with pytest.raises(InvalidArgumentError) as caught:
            choose()
        assert str(caught.value) == (
            f"{argument}={value!r}: must be a non-empty string; omit it or pass None to use the default"
        )
    else:
        assert choose() == (None if value is None else "tiny")
        assert type(choose()) in (str, type(None))


def test_spark_configurations_bring_an_empty_list_of_dependencies_as_the_documentation_asks() -> None:
    assert build(environment={"sparkConfigs": {"a": "b"}})["environment"] == {
        "sparkConfigs": {"a": "b"},
        "dependencies": [],
    }


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (timedelta(hours=2), 7200),
        (timedelta(seconds=1.2), 2),
        (timedelta(microseconds=1), 1),
        (pendulum.duration(minutes=5), 300),
        (timedelta(hours=1).total_seconds(), 3600),
    ],
)
def test_a_timeout_may_be_a_duration_rounded_up_to_whole_seconds(duration: timedelta | float, seconds: int) -> None:
    assert build(timeout_seconds=duration)["timeoutSeconds"] == seconds


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"run_python": None}, "set run_python or run_jar"),
        ({"run_jar": {"uri": "s3://b/j.jar"}}, "set run_python or run_jar, not both"),
        ({"run_python": {}}, "run_python['uri']: is missing; it must be"),
        ({"run_python": {"uri": 5}}, "run_python['uri']=5: must be"),
        (
            {"run_python": {"uri": "gs://bucket/job.py"}},
            "run_python['uri']='gs://bucket/job.py': must be an S3 address, such as s3://bucket/key, "
            "or the path of a file, which is uploaded",
        ),
        ({"run_python": {"uri": "file://host/job.py"}}, "must hold an absolute path, such as file:///opt/airflow"),
        ({"run_python": {"uri": "file:///job.py?version=2"}}, "must hold an absolute path"),
        ({"run_python": {"uri": "file:///job%ff.py"}}, "must hold an absolute path"),
        ({"run_python": {"uri": "jobs/a\0b.py"}}, "must not contain a null character"),
        ({"run_python": {"uri": "jobs/"}}, "run_python['uri']='jobs/': must be the path of a file, not of a folder"),
        (
            {"run_python": {"uri": "s3://bucket/job.JAR"}},
            "run_python['uri']='s3://bucket/job.JAR': a .jar file is run with run_jar",
        ),
        (
            {"run_python": None, "run_jar": {"uri": "s3://bucket/job.py"}},
            "run_jar['uri']='s3://bucket/job.py': a .py file is run with run_python",
        ),
        ({"run_python": {**PYTHON, "args": "--date"}}, "run_python['args']='--date': must be a list"),
        ({"run_python": {**PYTHON, "args": ["a", None]}}, "run_python['args'][1]=None: must be a string"),
        *(
            (
                {where: {**(PYTHON if where == "run_python" else {}), key: value}},
                f"{said}={nothing!r}: a template rendered to nothing",
            )
            for nothing in ("", "None")
            for where, key, value, said in (
                ("run_python", "args", ["a", nothing], "run_python['args'][1]"),
                ("environment", "sparkConfigs", {"a": nothing}, "environment['sparkConfigs']['a']"),
            )
        ),
        ({"run_python": {"uri": "s3://bucket/jobs/"}}, "='s3://bucket/jobs/': must be the address of a file, not of a"),
        (
            {"run_python": None, "run_jar": {"uri": "s3://b/j.jar"}},
            "run_jar['mainClass']: is missing; it must be the class to run, such as org.example.Main",
        ),
        (
            {
                "environment": {
                    "dependencies": ["Shapely_x==2.0.6", "a", {"libraryName": "shapely.X", "libraryVersion": "2.1"}]
                }
            },
            "environment['dependencies']: shapely-x is pinned to 2.0.6 and to 2.1",
        ),
        ({"run_python": {**PYTHON, "args": [NAN]}}, "run_python['args'][0]=nan: must be a string or a finite number"),
        ({"run_python": {**PYTHON, "args": [True]}}, "run_python['args'][0]=True: must be a string"),
        ({"run_python": {**PYTHON, "mainClass": "x"}}, "run_python: unknown key 'mainClass'; must be one of uri, args"),
        (
            {"run_python": None, "run_jar": {"uri": "s3://b/j.jar", "mainclass": "x"}},
            "run_jar: unknown key 'mainclass'; must be one of uri, args, mainClass",
        ),
        (
            {"run_python": None, "run_jar": {"uri": "s3://b/j.jar", "mainClass": ""}},
            "run_jar['mainClass']='': must be a non-empty string",
        ),
        ({"timeout_seconds": 0}, "timeout_seconds=0: must be a whole number above 0"),
        ({"timeout_seconds": 1.5}, "timeout_seconds=1.5: must be a whole number above 0"),
        ({"timeout_seconds": True}, "timeout_seconds=True: must be a whole number above 0"),
        ({"timeout_seconds": timedelta(seconds=-5)}, "timeout_seconds=-5: must be a whole number above 0"),
        ({"timeout_seconds": "1h"}, "timeout_seconds='1h': must be a whole number above 0"),
        ({"environment": {"sparkconfigs": {}}}, "environment: unknown key 'sparkconfigs'; must be one of"),
        ({"environment": {"sparkDriverDiskGB": 0}}, "environment['sparkDriverDiskGB']=0: must be"),
        ({"environment": {"sparkConfigs": ["a=b"]}}, "environment['sparkConfigs']=['a=b']: must be an object"),
        ({"environment": {"sparkConfigs": {"a": None}}}, "environment['sparkConfigs']['a']=None: must be a string"),
        (
            {"environment": {"sparkConfigs": {"a": NAN}}},
            "environment['sparkConfigs']['a']=nan: must be a string, a finite number or a boolean",
        ),
        ({"environment": {"dependencies": b"ab"}}, "environment['dependencies']=b'ab': must be a list of objects"),
        ({"environment": {"sparkConfigs": {5: "b"}}}, "environment['sparkConfigs'][5]: the name must be a string"),
        (
            {"environment": {"dependencies": ["pandas>=2"]}},
            "environment['dependencies'][0]='pandas>=2': must be a PyPI package",
        ),
        ({"environment": {"dependencies": [{}]}}, "environment['dependencies'][0]['libraryName']=None: must be"),
        (
            {"environment": {"dependencies": [{"sourceType": "CONDA", "libraryName": "x"}]}},
            "environment['dependencies'][0]['sourceType']='CONDA': must be 'PYPI' or 'FILE'",
        ),
        (
            {"environment": {"dependencies": [{"libraryName": "x", "version": "1"}]}},
            "environment['dependencies'][0]: unknown key 'version'; must be one of sourceType, libraryName",
        ),
        (
            {"environment": {"dependencies": [{"filePath": "s3://b/x.tar.gz"}]}},
            "environment['dependencies'][0]['filePath']='s3://b/x.tar.gz': must end in one of .jar, .whl, .zip, .json",
        ),
        (
            {"environment": {"dependencies": [{"filePath": "libs/x.txt"}]}},
            "environment['dependencies'][0]['filePath']='libs/x.txt': must be a folder, or end in one of .jar, .whl,"
            " .zip, .json; a folder with a dot in its name ends in /",
        ),
    ],
)
def test_a_wrong_value_is_one_error_with_argument_value_and_rule(arguments: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        build(**arguments)
    assert names in str(caught.value)


@pytest.mark.parametrize("name", ["abcdefgh", "a" * 255, "A.b-c_9.", "--------"])
def test_names_of_8_to_255_allowed_characters_pass(name: str) -> None:
    assert build(name=name)["name"] == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "abcdefg",
        "a" * 256,
        "with space",
        "umlaut_ü_here",
        "new_line\n",
        "slash/slash",
        "{{ ds_nodash }}",
        12345678,
        None,
    ],
)
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        build(name=name)
    assert str(caught.value) == (f"name={name!r}: must be 8 to 255 characters, each a letter, a digit, '_', '-' or '.'")


UNRENDERED = "{{ not rendered yet }}"


def is_unrendered(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize(
    ("requirement", "name", "version"),
    [
        ("shapely==2.0.6", "shapely", "2.0.6"),
        (" dask[array, dataframe] == 2026.1.0 ", "dask[array, dataframe]", "2026.1.0"),
        ("torch==2.1.0+cpu", "torch", "2.1.0+cpu"),
        ("sedonadb", "sedonadb", None),
    ],
)
def test_a_pypi_package_may_be_given_as_a_requirement(requirement: str, name: str, version: str | None) -> None:
    (sent,) = build(environment={"dependencies": [requirement]})["environment"]["dependencies"]
    expected = {"sourceType": "PYPI", "libraryName": name, "libraryVersion": version}
    assert sent == {key: value for key, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    "requirement",
    ["", "pandas>=2", "a==1.*", "a==1; python_version > '3'", "a @ https://x/a.whl", "-r x.txt", "s3://b/x.whl", "a b"],
)
def test_another_requirement_is_refused(requirement: str) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"^environment\['dependencies'\]\[0\]=.*: must be a PyPI package, with"
    ):
        build(environment={"dependencies": [requirement]})


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": UNRENDERED},
        {"run_python": UNRENDERED},
        {"run_python": {"uri": UNRENDERED, "args": UNRENDERED}},
        {"run_python": {"uri": "s3://b/j.py", "args": ["a", UNRENDERED]}},
        {"run_python": None, "run_jar": {"uri": "s3://b/j.jar", "mainClass": UNRENDERED}},
        {"environment": {"dependencies": ["a==1", "a", "a==1", {"libraryName": UNRENDERED, "libraryVersion": "2"}]}},
        {"environment": {"dependencies": ["a==1", {"libraryName": "a", "libraryVersion": UNRENDERED}]}},
        {"runtime": UNRENDERED, "version": UNRENDERED, "timeout_seconds": UNRENDERED},
        {"environment": UNRENDERED},
        {"environment": {"sparkConfigs": UNRENDERED, "dependencies": UNRENDERED, "sparkDriverDiskGB": UNRENDERED}},
        {"environment": {"sparkConfigs": {"a": UNRENDERED}, "dependencies": [UNRENDERED, {"filePath": UNRENDERED}]}},
    ],
)
def test_unrendered_values_are_not_checked(arguments: dict[str, Any]) -> None:
    build(is_unrendered=is_unrendered, **arguments)
    with pytest.raises(InvalidArgumentError):
        build(
            is_unrendered=is_unrendered,
            **arguments,
            **{"name": "bad name"} if "name" not in arguments else {"runtime": 5},
        )


def test_rendered_values_next_to_unrendered_ones_are_checked() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown key 'argz'"):
        build(is_unrendered=is_unrendered, run_python={"uri": UNRENDERED, "argz": []})
    with pytest.raises(InvalidArgumentError, match=r"args'\]\[1\]=None"):
        build(is_unrendered=is_unrendered, run_python={"uri": UNRENDERED, "args": [UNRENDERED, None]})


@pytest.mark.parametrize(
    "uri", ["stats.py", "jobs/stats.py", "../jobs/stats.py", "/opt/jobs/stats", "file:///opt/s.py"]
)
def test_a_local_path_is_accepted_without_a_look_at_the_disk(uri: str) -> None:
    assert build(run_python={"uri": uri})["runPython"]["uri"] == uri


@pytest.mark.parametrize(
    "path", ["libs/x.whl", "libs/geo", "libs/geo/", "libs/v1.2/", "..", ".", "/opt/geo", "file:///x.zip"]
)
def test_a_dependency_may_be_a_local_file_or_a_folder(path: str) -> None:
    built = build(environment={"dependencies": [{"filePath": path}]})
    assert built["environment"]["dependencies"] == [{"sourceType": "FILE", "filePath": path}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/lib.whl", "b/lib.whl"),
        ("lib.zip", "vendor/lib"),
        ("lib", "/opt/lib/"),
        ("a b.jar", "a_b.jar"),
        ("a/table.json", "s3://bucket/b/table.json"),
        ("a/table.json", "file:///opt/table.json"),
    ],
)
def test_two_dependencies_must_not_have_one_name(first: str, second: str) -> None:
    dependencies = [{"filePath": first}, "pandas", {"filePath": second}]
    with pytest.raises(InvalidArgumentError) as caught:
        build(environment={"dependencies": dependencies})
    where = "environment['dependencies']"
    assert str(caught.value).startswith(
        f"{where}[0]['filePath']={first!r}, {where}[2]['filePath']={second!r}: both files are named "
    )
    assert str(caught.value).endswith(", and one would take the other's place in the run; rename one of them")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Where the service puts these, it does not say.
        ("s3://bucket/a/lib.whl", "s3://bucket/b/lib.whl"),
        ("a/lib.whl", "s3://bucket/b/lib.whl"),
        ("a/table.json", "a/table.json"),
        ("{{ day }}/table.json", "b/table.json"),
        ("lib.zip", "lib.whl"),
        ("..", "../.."),
    ],
)
def test_these_two_dependencies_may_be_given_together(first: str, second: str) -> None:
    build(
        environment={"dependencies": [{"filePath": first}, {"filePath": second}]},
        is_unrendered=lambda value: "{{" in str(value) and isinstance(value, str),
    )


@pytest.mark.parametrize("path", ["https://example.com/x.whl", "s3a://bucket/x.zip"])
def test_a_dependency_at_another_address_is_sent_as_it_is(path: str) -> None:
    assert list(local_files(build(environment={"dependencies": [{"filePath": path}]}))) == []


SECRET = "hunter2-f3a9"


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"sparkConfigs": {"spark.hadoop.fs.s3a.secret.key": SECRET}},
        {"sparkConfigs": {"spark.hadoop.fs.s3a.access.key": SECRET}},
        {"sparkConfigs": {"spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net": SECRET}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:postgresql://me:{SECRET}@db.example.com/x"}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:postgresql://db.example.com/x?user=me&password={SECRET}"}},
        {"sparkConfigs": {"spark.driver.extraJavaOptions": f"-Xmx1g -Dapi.token={SECRET} -Dx=y"}},
        {"args": ["--password", SECRET]},
        {"args": ["--api-key", SECRET]},
        {"args": [f"--password={SECRET}"]},
        {"args": [f"API_TOKEN={SECRET}"]},
        {"args": [f'{{"password": "{SECRET}"}}']},
        {"args": [f"https://bucket.example.com/key?X-Amz-Signature={SECRET}&x=1"]},
        {"args": [f"Authorization: Bearer {SECRET}"]},
        [{"token": SECRET}],
        {"args": [f"--password=correct horse {SECRET}"]},
        {"args": [f"--password=a&b;{SECRET}"]},
        {"args": [f"password = {SECRET}"]},
        {"args": [f"x=1 password = {SECRET}"]},
        {"args": ["--db-pass", SECRET]},
        {"args": [f"{{'password': '{SECRET}'}}"]},
        {"args": [f"{{'user': 'me', 'password': 'a, {SECRET}'}}"]},
        {"args": [f"https://me:p@ss{SECRET}@example.com/x"]},
        {"args": [f"https://me:{SECRET}@p@example.com/x"]},
        {"args": [f"https://x.blob.core.windows.net/c/f?sv=2024-01-01&sig={SECRET}&se=2027"]},
        {"sparkConfigs": {"spark.dsn": f"host=db password='two {SECRET}' user=me"}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:sqlserver://db;user=me;password={{a;{SECRET}}};x=1"}},
    ],
)
def test_a_secret_is_found_by_the_name_beside_it(value: Any) -> None:
    shown = json.dumps(redact(value))
    assert SECRET not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "value",
    [
        {"uri": "s3://bucket/jobs/stats.py", "args": ["--country", "NZ", "--day=2026-11-26", 3, None, True]},
        {"sparkConfigs": {"spark.executor.memory": "4g", "spark.sql.session.timeZone": "UTC"}},
        "https://example.com/a/b?page=2",
        ["--verbose", "s3://bucket/key"],
        "InvalidName: the day of the month is out of range",
        "abfss://container@account.dfs.core.windows.net/x",
        ["--bypass", "yes", "compass=north", "passes: 3", "s3://a:b/c"],
    ],
)
def test_everything_else_is_shown(value: Any) -> None:
    assert redact(value) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_payload_keeps_its_shape(value: Any) -> None:
    assert shape(redact(value)) == shape(value)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else None
