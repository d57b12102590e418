"""The body of ``POST /runs``: parsed and checked, with one message per wrong field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from airflow_provider_wherobots.local.api.errors import ApiError, Problem
from airflow_provider_wherobots.local.api.vocabulary import DEFAULT_TIMEOUT_SECONDS, FILE_TYPES, RUNTIMES

NAME_MIN_LENGTH = 8
NAME_MAX_LENGTH = 255

_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._, -]*\])?")
_ONE_VERSION = r"\s*(?:===|==|~=|!=|<=|>=|<|>)?\s*[A-Za-z0-9][A-Za-z0-9.*+!_-]*\s*"
_LIBRARY_VERSION = re.compile(rf"{_ONE_VERSION}(?:,{_ONE_VERSION})*")
_ABBREVIATED = 80


@dataclass(frozen=True)
class PythonScript:
    """``runPython``: a script and its arguments."""

    uri: str
    args: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the ``RunPythonPayload``."""
        return {"uri": self.uri, "args": list(self.args)}


@dataclass(frozen=True)
class Jar:
    """``runJar``: a JAR, its arguments and the class to start (None: the ``Main-Class`` of its manifest)."""

    uri: str
    args: tuple[str, ...] = ()
    main_class: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the ``RunJarPayload``."""
        return {"uri": self.uri, "args": list(self.args), "mainClass": self.main_class}


@dataclass(frozen=True)
class PyPiDependency:
    """A package to install (``libraryVersion``: a version or a specifier; None: the newest)."""

    library_name: str
    library_version: str | None = None

    @property
    def requirement(self) -> str:
        """The dependency as pip takes it, such as ``six==1.17.0``."""
        version = (self.library_version or "").strip()
        if not version:
            return self.library_name
        return f"{self.library_name}{'' if version[0] in '=~!<>' else '=='}{version}"

    def as_json(self) -> dict[str, Any]:
        """Return the ``PyPiDependency``."""
        return {
            "sourceType": "PYPI",
            "libraryName": self.library_name,
            "libraryVersion": self.library_version,
        }


@dataclass(frozen=True)
class FileDependency:
    """A file that the run needs."""

    file_path: str

    @property
    def file_type(self) -> str:
        """The ``DependencyFileType`` for the ending of the path."""
        return FILE_TYPES.get(PurePosixPath(self.file_path.strip()).suffix.lower(), "OTHER")

    def as_json(self) -> dict[str, Any]:
        """Return the ``FileDependency-Output``."""
        return {"sourceType": "FILE", "filePath": self.file_path, "fileType": self.file_type}


@dataclass(frozen=True)
class RunEnvironment:
    """``environment``: disks (GB), Spark settings and dependencies."""

    spark_driver_disk_gb: int | None = None
    spark_executor_disk_gb: int | None = None
    spark_configs: dict[str, str] = field(default_factory=dict)
    dependencies: tuple[PyPiDependency | FileDependency, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The PYPI dependencies as pip takes them."""
        return tuple(item.requirement for item in self.dependencies if isinstance(item, PyPiDependency))

    @property
    def files(self) -> tuple[FileDependency, ...]:
        """The FILE dependencies."""
        return tuple(item for item in self.dependencies if isinstance(item, FileDependency))

    def as_json(self) -> dict[str, Any]:
        """Return the ``RunEnvironment-Output``."""
        return {
            "sparkDriverDiskGB": self.spark_driver_disk_gb,
            "sparkExecutorDiskGB": self.spark_executor_disk_gb,
            "sparkConfigs": dict(self.spark_configs),
            "dependencies": [item.as_json() for item in self.dependencies],
        }


@dataclass(frozen=True)
class CreateRunRequest:
    """A checked ``CreateRunPayload``, its defaults filled in."""

    name: str
    runtime: str | None = None
    version: str | None = None
    run_python: PythonScript | None = None
    run_jar: Jar | None = None
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    environment: RunEnvironment = field(default_factory=RunEnvironment)

    def as_json(self) -> dict[str, Any]:
        """Return the ``CreateRunPayload-Output``."""
        return {
            "runtime": self.runtime,
            "version": self.version,
            "name": self.name,
            "runPython": self.run_python.as_json() if self.run_python else None,
            "runJar": self.run_jar.as_json() if self.run_jar else None,
            "timeoutSeconds": self.timeout_seconds,
            "environment": self.environment.as_json(),
        }


def parse_create_request(body: object) -> CreateRunRequest:
    """Check the decoded body of a create call. Unknown keys are ignored, as in the published schema.

    :param body: the decoded JSON.
    :returns: the request with its defaults.
    :raises ApiError: 422 with one problem per wrong field; 400 unless exactly one run kind is given.
        Source: ``POST /runs``, schema ``CreateRunPayload-Input``.
    """
    if not isinstance(body, dict):
        raise ApiError(422, [Problem(f"body is {_shown(body)}, but must be a JSON object", "body")])
    reader = _Reader(body)
    request = CreateRunRequest(
        name=_name(reader),
        runtime=_runtime(reader),
        version=reader.text("version"),
        run_python=_run_python(reader),
        run_jar=_run_jar(reader),
        timeout_seconds=_timeout_seconds(reader),
        environment=_environment(reader),
    )
    if reader.problems:
        raise ApiError(422, reader.problems)
    if (request.run_python is None) == (request.run_jar is None):
        given = "neither was" if request.run_python is None else "both were"
        raise ApiError(400, [Problem(f"exactly one of runPython and runJar must be given; {given}", "runPython")])
    return request


class _Reader:
    """Reads typed values out of a JSON object and collects what is wrong with them."""

    def __init__(self, values: dict[str, Any], path: str = "", problems: list[Problem] | None = None) -> None:
        self.values = values
        self.path = path
        self.problems: list[Problem] = [] if problems is None else problems

    def field(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def reject(self, key: str, rule: str) -> None:
        name = self.field(key)
        self.problems.append(Problem(f"{name} is {_shown(self.values.get(key))}, but must be {rule}", name))

    def missing(self, key: str) -> None:
        self.problems.append(Problem(f"{self.field(key)} is required, but missing", self.field(key)))

    def text(self, key: str, *, required: bool = False) -> str | None:
        value = self.values.get(key)
        if value is None:
            if required:
                self.missing(key)
            return None
        if not isinstance(value, str):
            self.reject(key, "a string")
            return None
        if required and not value.strip():
            self.reject(key, "a string that is not blank")
            return None
        return value

    def integer(self, key: str) -> int | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.reject(key, "an integer")
            return None
        return value

    def child(self, key: str) -> _Reader | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.reject(key, "an object")
            return None
        return _Reader(value, self.field(key), self.problems)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.reject(key, "a list of strings")
            return ()
        wrong = next((index for index, item in enumerate(value) if not isinstance(item, str)), None)
        if wrong is not None:
            name = f"{self.field(key)}.{wrong}"
            self.problems.append(Problem(f"{name} is {_shown(value[wrong])}, but must be a string", name))
            return ()
        if any("\0" in item for item in value):
            self.reject(key, "free of NUL characters")
            return ()
        return tuple(value)


def _name(reader: _Reader) -> str:
    name = reader.text("name", required=True) or ""
    if name and not (NAME_MIN_LENGTH <= len(name) <= NAME_MAX_LENGTH and _NAME.fullmatch(name)):
        reader.reject("name", f"{NAME_MIN_LENGTH} to {NAME_MAX_LENGTH} characters of a-z, A-Z, 0-9, '_', '-', '.'")
    return name


def _runtime(reader: _Reader) -> str | None:
    runtime = reader.text("runtime")
    if runtime is not None and runtime not in RUNTIMES:
        reader.reject("runtime", f"one of {', '.join(RUNTIMES)}")
    return runtime


def _timeout_seconds(reader: _Reader) -> int:
    if "timeoutSeconds" not in reader.values:
        return DEFAULT_TIMEOUT_SECONDS
    timeout = reader.integer("timeoutSeconds")
    if timeout is None and reader.values["timeoutSeconds"] is None:
        reader.reject("timeoutSeconds", "an integer")
    elif timeout is not None and timeout <= 0:
        reader.reject("timeoutSeconds", "greater than 0")
    return timeout or DEFAULT_TIMEOUT_SECONDS


def _run_python(reader: _Reader) -> PythonScript | None:
    child = reader.child("runPython")
    if child is None:
        return None
    return PythonScript(uri=child.text("uri", required=True) or "", args=child.texts("args"))


def _run_jar(reader: _Reader) -> Jar | None:
    child = reader.child("runJar")
    if child is None:
        return None
    main_class = child.text("mainClass")
    if main_class is not None and not re.fullmatch(r"[\w$]+(\.[\w$]+)*", main_class):
        child.reject("mainClass", "the name of a Java class, such as com.example.Main")
    return Jar(uri=child.text("uri", required=True) or "", args=child.texts("args"), main_class=main_class)


def _environment(reader: _Reader) -> RunEnvironment:
    child = reader.child("environment")
    if child is None:
        return RunEnvironment()
    return RunEnvironment(
        spark_driver_disk_gb=child.integer("sparkDriverDiskGB"),
        spark_executor_disk_gb=child.integer("sparkExecutorDiskGB"),
        spark_configs=_spark_configs(child),
        dependencies=tuple(_dependencies(child)),
    )


def _spark_configs(reader: _Reader) -> dict[str, str]:
    child = reader.child("sparkConfigs")
    if child is None:
        return {}
    for key, value in child.values.items():
        if not isinstance(value, str):
            child.reject(key, "a string")
    return {key: value for key, value in child.values.items() if isinstance(value, str)}


def _dependencies(reader: _Reader) -> Iterable[PyPiDependency | FileDependency]:
    value = reader.values.get("dependencies")
    if value is None:
        return
    if not isinstance(value, list):
        reader.reject("dependencies", "a list of objects")
        return
    items = {str(index): item for index, item in enumerate(value)}
    listed = _Reader(items, reader.field("dependencies"), reader.problems)
    for key, item in items.items():
        child = listed.child(key)
        if child is None:
            if item is None:
                listed.reject(key, "an object")
            continue
        dependency = _dependency(child)
        if dependency is not None:
            yield dependency


def _dependency(reader: _Reader) -> PyPiDependency | FileDependency | None:
    source_type = reader.values.get("sourceType")
    if source_type is None:
        source_type = "FILE" if "filePath" in reader.values else "PYPI"
    if source_type == "PYPI":
        return _pypi_dependency(reader)
    if source_type == "FILE":
        return _file_dependency(reader)
    reader.reject("sourceType", "PYPI or FILE")
    return None


def _pypi_dependency(reader: _Reader) -> PyPiDependency | None:
    name = reader.text("libraryName", required=True)
    version = reader.text("libraryVersion")
    if name is not None and not _LIBRARY_NAME.fullmatch(name.strip()):
        reader.reject("libraryName", "the name of a package on PyPI")
    if version is not None and version.strip() and not _LIBRARY_VERSION.fullmatch(version):
        reader.reject("libraryVersion", "a version such as 1.2.3 or a specifier such as >=1.2,<2")
    return None if name is None else PyPiDependency(name.strip(), version)


def _file_dependency(reader: _Reader) -> FileDependency | None:
    path = reader.text("filePath", required=True)
    if path is None:
        return None
    if PurePosixPath(path.strip()).suffix.lower() not in FILE_TYPES:
        reader.reject("filePath", f"a path that ends in one of {', '.join(FILE_TYPES)}")
    return FileDependency(path)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _ABBREVIATED else f"{text[:_ABBREVIATED]}... ({len(text)} characters)"
