"""Which file a path in a task's arguments is: against the DAG file's folder, in the task's version of its bundle."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.compat import AIRFLOW, dags_folder
from airflow_provider_wherobots.files import FileSource, open_file
from airflow_provider_wherobots.tasks.run_attempt import find_sources

URI = ("runPython", "uri")


def in_bundle(dag_file: Path, bundle: Any = None) -> Any:
    ti = SimpleNamespace() if bundle is None else SimpleNamespace(bundle_instance=bundle)
    return {"ti": ti, "dag": SimpleNamespace(fileloc=str(dag_file))}


def source_of(uri: str, context: Any) -> FileSource:
    return find_sources({"runPython": {"uri": uri}}, context)[URI]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for version in ("v1", "v2"):
        write(tmp_path / version / "team" / "dag.py", "")
        write(tmp_path / version / "team" / "jobs" / "stats.py", version)
        write(tmp_path / version / "shared.py", f"shared of {version}")
    write(tmp_path / "secret.py", "secret")
    return tmp_path


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="bundles are new in 3.0")
def test_in_a_local_bundle(folder: Path) -> None:
    from airflow.dag_processing.bundles.local import LocalDagBundle

    bundle = LocalDagBundle(name="team", path=str(folder / "v1"))
    context = in_bundle(folder / "v1" / "team" / "dag.py", bundle)
    assert source_of("jobs/stats.py", context).path == folder / "v1" / "team" / "jobs" / "stats.py"
    assert open_file(source_of("../shared.py", context)).size == len("shared of v1")
    with pytest.raises(InvalidArgumentError, match="leads out of the DAG bundle"):
        open_file(source_of("../../secret.py", context))


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="bundles are new in 3.0")
def test_a_retry_uploads_the_version_that_the_dag_run_began_with(folder: Path) -> None:
    from airflow.dag_processing.bundles.base import BaseDagBundle

    class Versioned(BaseDagBundle):
        supports_versioning = True

        @property
        def path(self) -> Path:
            return folder / str(self.version)

        def get_current_version(self) -> str:
            return "v2"

        def refresh(self) -> None:
            pass

    def content(version: str) -> bytes:
        bundle = Versioned(name="team", version=version)
        # As the task runner does: it parses the DAG file of the bundle's version.
        source = source_of("jobs/stats.py", in_bundle(bundle.path / "team" / "dag.py", bundle))
        return b"".join(open_file(source).pieces())

    assert [content("v1"), content("v2"), content("v1")] == [b"v1", b"v2", b"v1"]


def test_without_a_bundle_the_dags_folder_is_the_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 2.11, and in ``dag.test()``."""
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder / "v1"))
    assert dags_folder() == str(folder / "v1")
    context = in_bundle(folder / "v1" / "team" / "dag.py")
    assert open_file(source_of("../shared.py", context)).size == len("shared of v1")
    with pytest.raises(InvalidArgumentError, match="leads out of the DAG bundle"):
        open_file(source_of("../../secret.py", context))


def test_a_dag_file_elsewhere_has_its_own_folder_as_the_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder / "v1"))
    context = in_bundle(folder / "v2" / "team" / "dag.py")
    assert open_file(source_of("jobs/stats.py", context)).size == 2
    with pytest.raises(InvalidArgumentError, match="leads out of the DAG bundle"):
        open_file(source_of("../shared.py", context))


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "FILE://{}"])
def test_an_absolute_path_may_lie_anywhere(form: str, folder: Path) -> None:
    source = source_of(form.format(folder / "secret.py"), in_bundle(folder / "v1" / "team" / "dag.py"))
    assert open_file(source).size == len("secret")


def test_a_file_url_is_decoded(folder: Path) -> None:
    path = write(folder / "a b" / "ö.py", "x")
    assert open_file(source_of(path.as_uri(), in_bundle(folder / "dag.py"))).source.path == path


def test_addresses_and_packages_are_no_local_files(folder: Path) -> None:
    payload = {
        "runJar": {"uri": "s3://bucket/job.jar"},
        "environment": {"dependencies": [{"sourceType": "PYPI", "libraryName": "x"}, {"filePath": "s3://b/x.whl"}]},
    }
    assert find_sources(payload, in_bundle(folder / "dag.py")) == {}
