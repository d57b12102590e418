"""The body of ``POST /runs``, and its rules, which are checked before anything is sent.

Source: ``CreateRunPayload`` in the OpenAPI description, and the Runs REST API page for what the schema leaves open.
Runtimes, regions and versions are not checked against a list, because the service adds new ones.

Before a payload is shown, probable secrets in it are hidden: scripts get secrets as arguments, and Spark gets them as
settings, and the service echoes both. A secret is found by the name next to it; one without such a name is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import timedelta
from enum import Enum
from math import ceil, isfinite
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.runs.runtimes import NEXT, is_published
from airflow_provider_wherobots.api.storage import safe_name

FILE_DEPENDENCY_SUFFIXES = (".jar", ".whl", ".zip", ".json")

_NAME = re.compile(r"[A-Za-z0-9_.-]{8,255}\Z")
_S3_ADDRESS = re.compile(r"s3://[^/\s]+/\S")
_OTHER_KIND = {"run_python": (".jar", "run_jar"), "run_jar": (".py", "run_python")}
"""The file extension that belongs to the other argument, and that argument."""
_PYPI_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]+\])?)\s*(?:==\s*([A-Za-z0-9._!+-]+))?\Z"
)
"""A package, such as ``shapely`` or ``dask[array]``, and an exact version or none."""
_RUN_KEYS = {"run_python": ("uri", "args"), "run_jar": ("uri", "args", "mainClass")}
_ENVIRONMENT_KEYS = ("sparkDriverDiskGB", "sparkExecutorDiskGB", "sparkConfigs", "dependencies")
_DEPENDENCY_KEYS = {
    "PYPI": ("sourceType", "libraryName", "libraryVersion"),
    "FILE": ("sourceType", "filePath"),
}


def build_payload(
    *,
    name: str,
    run_python: Mapping[str, Any] | None = None,
    run_jar: Mapping[str, Any] | None = None,
    runtime: str | Enum | None = None,
    version: str | Enum | None = None,
    timeout_seconds: int | str | timedelta | None = None,
    environment: Mapping[str, Any] | None = None,
    is_unrendered: Callable[[Any], bool] = lambda value: False,
) -> dict[str, Any]:
    """Check the parts of a run and put them into the body of ``POST /runs``.

    :param name: 8 to 255 characters of ``[A-Za-z0-9_.-]``.
    :param run_python: ``{"uri", "args"}`` of a Python run. Give either this or ``run_jar``.
    :param run_jar: ``{"uri", "args", "mainClass"}`` of a JAR run.
    :param runtime: id of the runtime; None takes the organization's default.
    :param version: Wherobots version; None takes ``latest``.
    :param timeout_seconds: whole seconds after which the service ends the run, or a timedelta, which is rounded up to
        whole seconds; None takes the service's 3600.
    :param environment: ``{"sparkConfigs", "dependencies", "sparkDriverDiskGB", "sparkExecutorDiskGB"}``.
    :param is_unrendered: whether a value is not rendered yet, such as a template. Such values are not checked. Default:
        every value is checked.
    :returns: the body. It contains only what was given, and an empty list of dependencies if ``environment`` has none:
        the service's documentation requires the list next to Spark configurations.
    :raises InvalidArgumentError: names the argument, the value and the rule.
    """
    checker = _Checker(is_unrendered)
    if not is_unrendered(name) and not (isinstance(name, str) and _NAME.match(name)):
        raise InvalidArgumentError(
            f"name={name!r}: must be 8 to 255 characters, each a letter, a digit, '_', '-' or '.'"
        )
    if (run_python is None) == (run_jar is None):
        raise InvalidArgumentError(f"set run_python or run_jar{'' if run_python is None else ', not both'}")
    payload: dict[str, Any] = {"name": name}
    if run_python is not None:
        payload["runPython"] = checker.run("run_python", run_python)
    else:
        payload["runJar"] = checker.run("run_jar", run_jar)
    if runtime is not None:
        payload["runtime"] = checked_choice("runtime", runtime, is_unrendered)
    if version is not None:
        payload["version"] = checked_choice("version", version, is_unrendered)
    if timeout_seconds is not None:
        payload["timeoutSeconds"] = checker.positive_int("timeout_seconds", whole_seconds(timeout_seconds))
    if environment is not None:
        payload["environment"] = checker.environment(environment)
    return payload


def checked_choice(argument: str, value: Any, is_unrendered: Callable[[Any], bool] = lambda value: False) -> Any:
    """Check a runtime, a version or a region, which is a query parameter. None takes the default."""
    if value is None:
        return None
    # The official provider's `Region` and `Runtime` are enums. A template that renders to nothing is a mistake: the run
    # must not silently use the default region or runtime.
    hint = "; omit it or pass None to use the default"
    return _Checker(is_unrendered).text(argument, getattr(value, "value", value), hint)


def checked_runtimes(argument: str, value: Any, runtime: Any, is_unrendered: Callable[[Any], bool]) -> Any:
    """Check what follows a ``runtime`` that had too little memory: ``next``, a runtime, or a list of runtimes."""
    if isinstance(value, list | tuple):
        chosen = [checked_choice(f"{argument}[{place}]", one, is_unrendered) for place, one in enumerate(value)]
        if not chosen or None in chosen or NEXT in chosen or len(set(map(str, chosen))) < len(chosen):
            raise InvalidArgumentError(
                f"{argument}={value!r}: must be {NEXT!r}, a runtime, or a list of different runtimes in the order in "
                "which they are tried"
            )
        return chosen
    chosen = checked_choice(argument, value, is_unrendered)
    if chosen == NEXT and runtime is not None and not is_unrendered(runtime) and not is_published(runtime):
        raise InvalidArgumentError(f"{argument}={NEXT!r}: what follows runtime={runtime!r} is unknown; name it instead")
    return chosen


def whole_seconds(value: Any) -> Any:
    """Convert a duration to whole seconds, rounded up: neither the API nor a serialized DAG takes a timedelta."""
    if isinstance(value, timedelta):
        return ceil(value.total_seconds())
    # As of `timedelta.total_seconds()`.
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Checker:
    """The rules, applied to every value that is rendered."""

    def __init__(self, is_unrendered: Callable[[Any], bool]) -> None:
        self._is_unrendered = is_unrendered

    def text(self, argument: str, value: Any, hint: str = "") -> Any:
        if self._is_unrendered(value):
            return value
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgumentError(f"{argument}={value!r}: must be a non-empty string{hint}")
        return value.strip()

    def uri(self, argument: str, value: Any) -> Any:
        uri = self.text(f"{argument}['uri']", value)
        if self._is_unrendered(uri):
            return uri
        where = f"{argument}['uri']={uri!r}"
        if is_local(uri):
            if local_path(where, uri).endswith("/"):
                raise InvalidArgumentError(f"{where}: must be the path of a file, not of a folder")
        elif not _S3_ADDRESS.match(uri):
            raise InvalidArgumentError(
                f"{where}: must be an S3 address, such as s3://bucket/key, or the path of a file, which is uploaded"
            )
        elif uri.endswith("/"):
            raise InvalidArgumentError(f"{where}: must be the address of a file, not of a folder")
        ending, other = _OTHER_KIND[argument]
        if uri.lower().endswith(ending):
            raise InvalidArgumentError(f"{where}: a {ending} file is run with {other}")
        return uri

    def positive_int(self, argument: str, value: Any) -> Any:
        if self._is_unrendered(value):
            return value
        # A templated number arrives as text.
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InvalidArgumentError(f"{argument}={value!r}: must be a whole number above 0")
        return value

    def run(self, argument: str, run: Any) -> Any:
        if self._is_unrendered(run):
            return run
        self._check_mapping(argument, run, _RUN_KEYS[argument])
        uri = run.get("uri")
        if uri is None:
            raise InvalidArgumentError(
                f"{argument}['uri']: is missing; it must be the S3 address or the path of the file to run"
            )
        checked: dict[str, Any] = {"uri": self.uri(argument, uri)}
        if run.get("args") is not None:
            checked["args"] = self._args(f"{argument}['args']", run["args"])
        if argument == "run_jar" and run.get("mainClass") is None:
            raise InvalidArgumentError(
                f"{argument}['mainClass']: is missing; it must be the class to run, such as org.example.Main"
            )
        if run.get("mainClass") is not None:
            checked["mainClass"] = self.text(f"{argument}['mainClass']", run["mainClass"])
        return checked

    def environment(self, environment: Any) -> Any:
        if self._is_unrendered(environment):
            return environment
        self._check_mapping("environment", environment, _ENVIRONMENT_KEYS)
        checked: dict[str, Any] = {}
        for disk in ("sparkDriverDiskGB", "sparkExecutorDiskGB"):
            if environment.get(disk) is not None:
                checked[disk] = self.positive_int(f"environment[{disk!r}]", environment[disk])
        if environment.get("sparkConfigs") is not None:
            checked["sparkConfigs"] = self._spark_configs(environment["sparkConfigs"])
        checked["dependencies"] = self._dependencies(environment.get("dependencies"))
        return checked

    def _args(self, where: str, args: Any) -> Any:
        if self._is_unrendered(args):
            return args
        if isinstance(args, str | bytes) or not isinstance(args, Sequence):
            raise InvalidArgumentError(f"{where}={args!r}: must be a list of strings")
        return [self._argument(f"{where}[{index}]", value) for index, value in enumerate(args)]

    def _argument(self, where: str, value: Any) -> Any:
        if isinstance(value, str) or self._is_unrendered(value):
            return _something(where, value)
        if _is_number(value) and not isinstance(value, bool):
            return str(value)
        raise InvalidArgumentError(f"{where}={value!r}: must be a string or a finite number")

    def _spark_configs(self, configs: Any) -> Any:
        if self._is_unrendered(configs):
            return configs
        self._check_mapping("environment['sparkConfigs']", configs)
        return {key: self._spark_config(key, value) for key, value in configs.items()}

    def _spark_config(self, key: Any, value: Any) -> Any:
        where = f"environment['sparkConfigs'][{key!r}]"
        if not isinstance(key, str):
            raise InvalidArgumentError(f"{where}: the name must be a string")
        if isinstance(value, str) or self._is_unrendered(value):
            return _something(where, value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if _is_number(value):
            return str(value)
        raise InvalidArgumentError(f"{where}={value!r}: must be a string, a finite number or a boolean")

    def _dependencies(self, dependencies: Any) -> Any:
        if dependencies is None:
            return []
        if self._is_unrendered(dependencies):
            return dependencies
        where = "environment['dependencies']"
        if isinstance(dependencies, str | bytes) or not isinstance(dependencies, Sequence):
            raise InvalidArgumentError(f"{where}={dependencies!r}: must be a list of objects or PyPI packages")
        checked = [self._dependency(f"{where}[{index}]", value) for index, value in enumerate(dependencies)]
        self._check_names(where, checked)
        self._check_pins(where, checked)
        return checked

    def _check_pins(self, where: str, dependencies: Sequence[Any]) -> None:
        pinned: dict[str, str] = {}
        for dependency in dependencies:
            found = {} if self._is_unrendered(dependency) else dependency
            name, version = found.get("libraryName"), found.get("libraryVersion")
            if name is None or version is None or self._is_unrendered(name) or self._is_unrendered(version):
                continue
            # Source: "Names and normalization" of Python's packaging specifications.
            name = re.sub(r"[-_.]+", "-", name).lower()
            if pinned.setdefault(name, version) != version:
                raise InvalidArgumentError(f"{where}: {name} is pinned to {pinned[name]} and to {version}")

    def _check_names(self, where: str, dependencies: Sequence[Any]) -> None:
        """A run has its files in one folder, by their names. The service documents that for JSON files only. So of the
        other files only those that are uploaded are checked.
        """
        named: dict[str, tuple[str, str]] = {}
        for index, dependency in enumerate(dependencies):
            path = None if self._is_unrendered(dependency) else dependency.get("filePath")
            if path is None or self._is_unrendered(path):
                continue
            name = _name_in_run(path)
            if not name or not (is_local(path) or name.endswith(".json")):
                continue
            this = f"{where}[{index}]['filePath']={path!r}"
            first, first_path = named.setdefault(name, (this, path))
            if path != first_path:
                raise InvalidArgumentError(
                    f"{first}, {this}: both files are named {name!r}, and one would take the other's place in the run; "
                    "rename one of them"
                )

    def _dependency(self, where: str, dependency: Any) -> Any:
        if self._is_unrendered(dependency):
            return dependency
        if isinstance(dependency, str):
            dependency = _pypi_dependency(where, dependency)
        self._check_mapping(where, dependency)
        source = dependency.get("sourceType") or ("FILE" if "filePath" in dependency else "PYPI")
        source = getattr(source, "value", source)
        if not isinstance(source, str) or source not in _DEPENDENCY_KEYS:
            raise InvalidArgumentError(f"{where}['sourceType']={source!r}: must be 'PYPI' or 'FILE'")
        self._check_mapping(where, dependency, _DEPENDENCY_KEYS[source])
        if source == "FILE":
            path = self.text(f"{where}['filePath']", dependency.get("filePath"))
            if not self._is_unrendered(path):
                self._check_file_path(f"{where}['filePath']={path!r}", path)
            return {"sourceType": "FILE", "filePath": path}
        checked = {
            "sourceType": "PYPI",
            "libraryName": self.text(f"{where}['libraryName']", dependency.get("libraryName")),
        }
        if dependency.get("libraryVersion") is not None:
            checked["libraryVersion"] = self.text(f"{where}['libraryVersion']", dependency["libraryVersion"])
        return checked

    @staticmethod
    def _check_file_path(where: str, path: str) -> None:
        allowed = ", ".join(FILE_DEPENDENCY_SUFFIXES)
        if is_local(path):
            local = local_path(where, path)
            # Only the file system can distinguish a folder from a file without an ending.
            if not local.endswith((*FILE_DEPENDENCY_SUFFIXES, "/")) and "." in local.rpartition("/")[2].strip("."):
                raise InvalidArgumentError(
                    f"{where}: must be a folder, or end in one of {allowed}; a folder with a dot in its name ends in /"
                )
        elif not path.endswith(FILE_DEPENDENCY_SUFFIXES):
            raise InvalidArgumentError(f"{where}: must end in one of {allowed}")

    @staticmethod
    def _check_mapping(argument: str, value: Any, keys: Sequence[str] | None = None) -> None:
        if not isinstance(value, Mapping):
            raise InvalidArgumentError(f"{argument}={value!r}: must be an object (a dict)")
        unknown = [key for key in value if keys is not None and key not in keys]
        if unknown:
            raise InvalidArgumentError(
                f"{argument}: unknown key {unknown[0]!r}; must be one of {', '.join(keys or ())}"
            )


def _name_in_run(path: str) -> str:
    """The name of a FILE dependency in the run; empty if only the file system knows it."""
    if not is_local(path):
        return path.rpartition("/")[2]
    local = local_path("", path)
    name = PurePosixPath(local).name
    if name in ("", ".."):
        return ""
    return safe_name(name if local.endswith(FILE_DEPENDENCY_SUFFIXES) else f"{name}.zip")


def _something(where: str, value: Any) -> Any:
    """Refuse what a template renders to if its value is missing or None."""
    if value in ("", "None"):
        raise InvalidArgumentError(f"{where}={value!r}: a template rendered to nothing, or nothing was given")
    return value


def _is_number(value: Any) -> bool:
    """Whether a value is a number whose digits can be sent as text."""
    return isinstance(value, int) or (isinstance(value, float) and isfinite(value))


def _pypi_dependency(where: str, requirement: str) -> dict[str, str | None]:
    found = _PYPI_REQUIREMENT.match(requirement.strip())
    if not found:
        raise InvalidArgumentError(
            f"{where}={requirement!r}: must be a PyPI package, with an exact version or none, such as "
            "'shapely==2.0.6'; a file is {'filePath': ...}"
        )
    return {"libraryName": found[1], "libraryVersion": found[2]}


Keys: TypeAlias = tuple[str | int, ...]
"""Where a value is in a body: the keys and indexes that lead to it."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ARGUMENTS = {"runPython": "run_python", "runJar": "run_jar"}


def is_local(uri: str) -> bool:
    """Whether a URI is a path, or begins with ``file:``."""
    scheme = _SCHEME.match(uri)
    return scheme is None or scheme[1].lower() == "file"


def local_path(where: str, uri: str) -> str:
    """Return the path of a local URI. ``where`` names the value in the ``InvalidArgumentError`` if it has none."""
    path = uri
    if _SCHEME.match(uri):
        try:
            parts = urlsplit(uri)
            is_usable = parts.netloc in ("", "localhost") and not parts.query and not parts.fragment
            path = unquote(parts.path, errors="strict")
        except ValueError:
            is_usable = False
        if not is_usable or not path.startswith("/"):
            raise InvalidArgumentError(f"{where}: must hold an absolute path, such as file:///opt/airflow/dags/job.py")
    if "\0" in path:
        raise InvalidArgumentError(f"{where}: must not contain a null character")
    return path


def local_files(payload: Mapping[str, Any]) -> Iterator[tuple[Keys, str, str]]:
    """Find the local files in a create body: their keys in the body, the arguments that name them, and their URIs."""
    for key, argument in _ARGUMENTS.items():
        if key in payload and is_local(uri := payload[key]["uri"]):
            yield (key, "uri"), f"{argument}['uri']", uri
    for index, dependency in enumerate(payload.get("environment", {}).get("dependencies", ())):
        if is_local(path := dependency.get("filePath", "s3:")):
            where = f"environment['dependencies'][{index}]['filePath']"
            yield ("environment", "dependencies", index, "filePath"), where, path


def value_at(document: Any, keys: Keys) -> Any:
    """Return a value in a body; None if it is not there."""
    for key in keys:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def with_values(document: Mapping[str, Any], values: Mapping[Keys, Any]) -> dict[str, Any]:
    """Return a copy of a body with other values. The body is not changed."""
    copied = deepcopy(dict(document))
    for (*parents, last), value in values.items():
        place: Any = copied
        for key in parents:
            place = place[key]
        place[last] = value
    return copied


HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"passw|pwd|passphrase|secret|token|credential|authorization|signature|(?<![a-z0-9])(?:sas|sig|pass)\b"
    r"|(?:api|access|private|account|storage|shared|encryption)[-_. ]?key",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")
_WHOLE = re.compile(r"([\w.-]+)\s*=\s*")
"""The beginning of a text that is one assignment: the rest is its value."""
_VALUE = r"""\{[^}]*\}+|"[^"]*"|'[^']*'|(?:(?:Bearer|Basic)\s+)?[^&;,\s]+"""
_ASSIGNED = re.compile(rf"""([?&;,\s{{"']|^)([\w.-]+)(["']?(?:\s*=\s*|\s*:\s+))({_VALUE})""", re.IGNORECASE)


def redact(value: Any) -> Any:
    """Return a copy with ``***`` in place of values whose key, option or parameter is named like a secret, and of user
    information in addresses.
    """
    if isinstance(value, Mapping):
        return {key: HIDDEN if _is_secret(key, item) else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return _redact_list(value)
    if isinstance(value, str):
        return _redact_text(value)
    return value


def _redact_text(text: str) -> str:
    if text[:1] in ("{", "["):
        # An argument that is JSON.
        try:
            return json.dumps(redact(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    whole = _WHOLE.match(text)
    if whole is not None and _SECRET_NAME.search(whole[1]):
        return f"{whole[0]}{HIDDEN}"
    return _ASSIGNED.sub(_hide_assigned, _USER_INFO.sub(f"{HIDDEN}@", text))


def _is_secret(key: Any, value: Any) -> bool:
    return isinstance(key, str) and not isinstance(value, Mapping | list) and _SECRET_NAME.search(key) is not None


def _redact_list(items: list[Any]) -> list[Any]:
    """Hide also the item after an option such as ``--password``."""
    shown: list[Any] = []
    before: Any = None
    for item in items:
        is_option = isinstance(before, str) and before.startswith("-") and "=" not in before
        shown.append(HIDDEN if is_option and _is_secret(before, item) else redact(item))
        before = item
    return shown


def _hide_assigned(found: re.Match[str]) -> str:
    separator, name, sign, _ = found.groups()
    return f"{separator}{name}{sign}{HIDDEN}" if _SECRET_NAME.search(name) else found[0]
