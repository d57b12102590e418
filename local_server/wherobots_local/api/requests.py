"""The bodies and parameters of requests, and the messages of SQL clients.

The body of ``POST /runs`` is the published schema ``CreateRunPayload-Input``. Rules that are stricter than the schema
are types of their own. They refuse values with which a run would fail for an obscure reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, computed_field

from wherobots_local.api.errors import (
    CANCEL_EXECUTION,
    DEFAULT_TIMEOUT_SECONDS,
    EXECUTE_SQL,
    FILE_TYPES,
    RETRIEVE_RESULTS,
    RUNTIMES,
    ApiError,
    Problem,
)
from wherobots_local.api.queries import Parameters, PublishedModel, validated, without_nulls

_LIBRARY_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._, -]*\])?")
_ONE_VERSION = r"\s*(?:===|==|~=|!=|<=|>=|<|>)?\s*[A-Za-z0-9][A-Za-z0-9.*+!_-]*\s*"
_LIBRARY_VERSION = re.compile(rf"{_ONE_VERSION}(?:,{_ONE_VERSION})*")
_JAVA_CLASS = re.compile(r"[\w$]+(\.[\w$]+)*")


def _must_be(what: str, holds: Callable[[str], object]) -> AfterValidator:
    def check(value: str) -> str:
        if not holds(value):
            raise ValueError(f"must be {what}")
        return value

    return AfterValidator(check)


def _file_type(path: str) -> str | None:
    return FILE_TYPES.get(PurePosixPath(path.strip()).suffix.lower())


RunName = Annotated[str, StringConstraints(min_length=8, max_length=255, pattern=r"^[a-zA-Z0-9_\-\.]+$")]
_Uri = Annotated[str, _must_be("a string that is not blank", str.strip)]
_Argument = Annotated[str, _must_be("free of NUL characters", lambda value: "\0" not in value)]
_JavaClass = Annotated[str, _must_be("the name of a Java class, such as com.example.Main", _JAVA_CLASS.fullmatch)]
_LibraryName = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    _must_be("the name of a package on PyPI", _LIBRARY_NAME.fullmatch),
]
_LibraryVersion = Annotated[
    str,
    _must_be(
        "a version such as 1.2.3 or a specifier such as >=1.2,<2",
        lambda value: not value.strip() or _LIBRARY_VERSION.fullmatch(value),
    ),
]
_FilePath = Annotated[str, _must_be(f"a path that ends in one of {', '.join(FILE_TYPES)}", _file_type)]


class PythonScript(PublishedModel):
    """``runPython``: a script and its arguments."""

    uri: _Uri
    args: tuple[_Argument, ...] = ()


class Jar(PublishedModel):
    """``runJar``: a JAR, its arguments and the class to start (None: the ``Main-Class`` of its manifest)."""

    uri: _Uri
    args: tuple[_Argument, ...] = ()
    main_class: _JavaClass | None = None


class PyPiDependency(PublishedModel):
    """A package to install; ``library_version`` is a version or a specifier, None the newest."""

    source_type: Literal["PYPI"] = "PYPI"
    library_name: _LibraryName
    library_version: _LibraryVersion | None = None

    @property
    def requirement(self) -> str:
        """The argument for pip, such as ``six==1.17.0``."""
        version = (self.library_version or "").strip()
        if not version:
            return self.library_name
        return f"{self.library_name}{'' if version[0] in '=~!<>' else '=='}{version}"


class FileDependency(PublishedModel):
    """A file that the run needs."""

    source_type: Literal["FILE"] = "FILE"
    file_path: _FilePath

    @computed_field(alias="fileType")  # type: ignore[prop-decorator]
    @property
    def file_type(self) -> str | None:
        return _file_type(self.file_path)


def _kind_of_dependency(value: Any) -> str:
    """Return the tag of a dependency. ``sourceType`` is not enough, because both kinds have a default for it."""
    if not isinstance(value, dict):
        return "is-file" if isinstance(value, FileDependency) else "is-pypi"
    source_type = value.get("sourceType")
    if source_type in ("PYPI", "FILE"):
        return f"is-{str(source_type).lower()}"
    return "is-file" if "filePath" in value else "is-pypi"


Dependency = Annotated[
    Annotated[PyPiDependency, Tag("is-pypi")] | Annotated[FileDependency, Tag("is-file")],
    Discriminator(_kind_of_dependency),
]


class RunEnvironment(PublishedModel):
    """``environment``: disks (GB), Spark settings and dependencies."""

    spark_driver_disk_gb: int | None = Field(default=None, alias="sparkDriverDiskGB")
    spark_executor_disk_gb: int | None = Field(default=None, alias="sparkExecutorDiskGB")
    spark_configs: dict[str, str] = Field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        return tuple(item.requirement for item in self.dependencies if isinstance(item, PyPiDependency))

    @property
    def files(self) -> tuple[FileDependency, ...]:
        return tuple(item for item in self.dependencies if isinstance(item, FileDependency))


class CreateRunRequest(PublishedModel):
    """``CreateRunPayload`` with its defaults; as JSON it is the ``CreateRunPayload-Output``."""

    runtime: Literal[RUNTIMES] | None = None  # type: ignore[valid-type]
    version: str | None = None
    name: RunName
    run_python: PythonScript | None = None
    run_jar: Jar | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] = DEFAULT_TIMEOUT_SECONDS
    environment: RunEnvironment = RunEnvironment()


def parse_create_request(body: object) -> CreateRunRequest:
    """Check the body of a create call. It is a 400 unless exactly one kind of run is given."""
    request = validated(CreateRunRequest, body)
    if (request.run_python is None) == (request.run_jar is None):
        given = "neither was" if request.run_python is None else "both were"
        raise ApiError(400, [Problem(f"exactly one of runPython and runJar must be given; {given}", "runPython")])
    return request


class CostsRequest(PublishedModel):
    """``GetKubeAppCostsInput``: the ``kubeApp.id`` of each run."""

    kube_app_ids: Annotated[list[str], Field(min_length=1, max_length=100)]


class FolderQuery(Parameters):
    """``limit=0`` means all entries."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=0, le=1000)] = 0


class RenameQuery(Parameters):
    new_name: str


class KeyQuery(Parameters):
    """Bucket and key of a file."""

    key: Annotated[str, AfterValidator(lambda key: key.strip().removeprefix("s3://"))]


class DirectoryQuery(Parameters):
    """Bucket and key of a folder, with or without a slash at the end."""

    dir: Annotated[str, AfterValidator(lambda key: key.strip().removeprefix("s3://").removesuffix("/"))]


class IntegrationDirectoryQuery(Parameters):
    """``dir`` is a path in the integration."""

    integration_id: str
    dir: Annotated[str, AfterValidator(lambda path: path.strip().strip("/"))]


_Life = Annotated[int, Field(ge=1, lt=2**31)]


class SqlSessionPayload(PublishedModel):
    """``SqlSessionAPIPayload``, and ``sessionKey``, which clients send although it is not published. Equal payloads
    request the same session."""

    runtime_id: Literal[RUNTIMES] | None = None  # type: ignore[valid-type]
    version: str | None = None
    environment_preset_id: str | None = None
    environment_override_preset_id: str | None = None
    idle_timeout_minutes: _Life | None = None
    shutdown_after_inactive_seconds: _Life | None = None
    session_type: Literal["single", "multi"] = "multi"
    session_key: str | None = None


class SqlSessionQuery(Parameters):
    region: str | None = None
    force_new: bool = False


class SqlSessionsQuery(Parameters):
    region: str | None = None


_Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Option = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else json.dumps(value))]


class StoreRequest(Parameters):
    """``store``: where a result is written. Clients send the booleans also as text."""

    format: Literal["parquet", "csv", "geojson"] = "parquet"
    single: bool | None = None
    generate_presigned_url: bool = False
    options: dict[str, _Option] = Field(default_factory=dict)


class ExecuteMessage(Parameters):
    """``execute_sql``."""

    execution_id: _Id
    statement: str
    store: StoreRequest | None = None
    enable_progress_events: bool = False


class RetrieveMessage(Parameters):
    """``retrieve_results``."""

    execution_id: _Id
    format: Literal["arrow", "json"] = "arrow"
    compression: Literal["brotli", "gzip", "zstd", "lz4", "none"] = "brotli"
    geometry: Literal["ewkt", "wkt", "wkb", "ewkb", "geojson"] = "ewkt"
    attach: bool = False


class CancelMessage(Parameters):
    """``cancel``."""

    execution_id: _Id


SessionMessage = ExecuteMessage | RetrieveMessage | CancelMessage

_KINDS: dict[str, tuple[str, type[ExecuteMessage] | type[RetrieveMessage] | type[CancelMessage]]] = {
    "execute_sql": (EXECUTE_SQL, ExecuteMessage),
    "retrieve_results": (RETRIEVE_RESULTS, RetrieveMessage),
    "cancel": (CANCEL_EXECUTION, CancelMessage),
}


@dataclass(frozen=True)
class ReceivedMessage:
    """A message of a client. If it breaks a rule, ``message`` is None and ``problem`` is one sentence."""

    operation: str
    execution_id: str
    message: SessionMessage | None
    problem: str = ""


def parse_session_message(text: str) -> ReceivedMessage | None:
    """Read a text frame. Returns None without readable JSON, a known kind and an execution id."""
    try:
        document = without_nulls(json.loads(text))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    kind, execution_id = document.get("kind"), document.get("execution_id")
    if not isinstance(kind, str) or kind not in _KINDS or not isinstance(execution_id, str) or not execution_id:
        return None
    operation, model = _KINDS[kind]
    try:
        return ReceivedMessage(operation, execution_id, validated(model, document))
    except ApiError as error:
        return ReceivedMessage(operation, execution_id, None, str(error))
