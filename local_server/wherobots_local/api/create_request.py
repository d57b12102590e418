"""The body of ``POST /runs``, as the published schema ``CreateRunPayload-Input`` describes it.

Where a value would make a run fail in a way that is hard to understand, the rules are stricter than the schema. Each
stricter rule has its own type below.
"""

from __future__ import annotations

import re
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


def _must(be: str, holds: bool, value: str) -> str:
    if not holds:
        raise ValueError(f"must be {be}")
    return value


def _not_blank(value: str) -> str:
    return _must("a string that is not blank", bool(value.strip()), value)


def _no_nul(value: str) -> str:
    return _must("free of NUL characters", "\0" not in value, value)


def _java_class(value: str) -> str:
    return _must("the name of a Java class, such as com.example.Main", bool(_JAVA_CLASS.fullmatch(value)), value)


def _library_name(value: str) -> str:
    return _must("the name of a package on PyPI", bool(_LIBRARY_NAME.fullmatch(value.strip())), value.strip())


def _library_version(value: str) -> str:
    fits = not value.strip() or bool(_LIBRARY_VERSION.fullmatch(value))
    return _must("a version such as 1.2.3 or a specifier such as >=1.2,<2", fits, value)


def _file_path(value: str) -> str:
    fits = PurePosixPath(value.strip()).suffix.lower() in FILE_TYPES
    return _must(f"a path that ends in one of {', '.join(FILE_TYPES)}", fits, value)


RunName = Annotated[str, StringConstraints(min_length=8, max_length=255, pattern=r"^[a-zA-Z0-9_\-\.]+$")]
_Uri = Annotated[str, AfterValidator(_not_blank)]
_Argument = Annotated[str, AfterValidator(_no_nul)]
_JavaClass = Annotated[str, AfterValidator(_java_class)]
_LibraryName = Annotated[str, AfterValidator(_library_name)]
_LibraryVersion = Annotated[str, AfterValidator(_library_version)]
_FilePath = Annotated[str, AfterValidator(_file_path)]


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
    """A package to install (``libraryVersion``: a version or a specifier; None: the newest)."""

    source_type: Literal["PYPI"] = "PYPI"
    library_name: _LibraryName
    library_version: _LibraryVersion | None = None

    @property
    def requirement(self) -> str:
        """The dependency as pip takes it, such as ``six==1.17.0``."""
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
    def file_type(self) -> str:
        """The ``DependencyFileType`` for the ending of the path."""
        return FILE_TYPES[PurePosixPath(self.file_path.strip()).suffix.lower()]


def _kind_of_dependency(value: Any) -> str:
    """Which kind of dependency a value is. ``sourceType`` alone cannot tell, because it has a default in both kinds."""
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
        """The PYPI dependencies as pip takes them."""
        return tuple(item.requirement for item in self.dependencies if isinstance(item, PyPiDependency))

    @property
    def files(self) -> tuple[FileDependency, ...]:
        return tuple(item for item in self.dependencies if isinstance(item, FileDependency))


class CreateRunRequest(PublishedModel):
    """A checked ``CreateRunPayload`` with its defaults."""

    runtime: Literal[RUNTIMES] | None = None  # type: ignore[valid-type]
    version: str | None = None
    name: RunName
    run_python: PythonScript | None = None
    run_jar: Jar | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] = DEFAULT_TIMEOUT_SECONDS
    environment: RunEnvironment = RunEnvironment()

    def as_json(self) -> dict[str, Any]:
        """Return the ``CreateRunPayload-Output``."""
        return self.model_dump(mode="json", by_alias=True)


def parse_create_request(body: object) -> CreateRunRequest:
    """Check the body of a create call: schema ``CreateRunPayload-Input``.

    Unknown keys are ignored, as in the published schema. Raises an ``ApiError``: 422 with one problem per wrong field;
    400 unless exactly one kind of run is given.
    """
    request = validated(CreateRunRequest, body)
    if (request.run_python is None) == (request.run_jar is None):
        given = "neither was" if request.run_python is None else "both were"
        raise ApiError(400, [Problem(f"exactly one of runPython and runJar must be given; {given}", "runPython")])
    return request
