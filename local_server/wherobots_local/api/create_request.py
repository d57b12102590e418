"""The body of ``POST /runs``: the published schema ``CreateRunPayload-Input``. Rules that are stricter than the schema
are types of their own. They refuse values with which a run would fail for an obscure reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, computed_field

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.validation import PublishedModel, validated
from wherobots_local.api.vocabulary import DEFAULT_TIMEOUT_SECONDS, FILE_TYPES, RUNTIMES

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
