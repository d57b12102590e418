"""The create body: its rules, checked before anything is sent.

Source: ``CreateRunPayload`` in the OpenAPI description, and the Runs REST API page for what the schema leaves open.
Runtimes, regions and versions are not checked against a list: the service adds some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

DEFAULT_TIMEOUT_SECONDS = 3600
"""The service's own default for ``timeoutSeconds``."""
FILE_DEPENDENCY_SUFFIXES = (".jar", ".whl", ".zip", ".json")

_NAME = re.compile(r"[A-Za-z0-9_.-]{8,255}\Z")
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
    version: str | None = None,
    timeout_seconds: int | str | None = None,
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Check the parts of a run and put them into the body of ``POST /runs``.

    :param name: 8 to 255 of ``[A-Za-z0-9_.-]``.
    :param run_python: ``{"uri", "args"}`` of a Python run; exactly one of it and ``run_jar``.
    :param run_jar: ``{"uri", "args", "mainClass"}`` of a JAR run.
    :param runtime: id of the runtime; None takes the organisation's default.
    :param version: Wherobots version; None takes ``latest``.
    :param timeout_seconds: whole seconds after which the service ends the run; None takes its 3600.
    :param environment: ``{"sparkConfigs", "dependencies", "sparkDriverDiskGB", "sparkExecutorDiskGB"}``.
    :returns: the body; nothing that was not given is in it, except an empty list of dependencies beside Spark
        configurations, which the documentation asks for.
    :raises InvalidArgumentError: names the argument, the value and the rule.
    """
    check_name(name)
    if (run_python is None) == (run_jar is None):
        given = "neither" if run_python is None else "both"
        raise InvalidArgumentError(f"run_python, run_jar: exactly one must be given, not {given}")
    payload: dict[str, Any] = {"name": name}
    if run_python is not None:
        payload["runPython"] = _run("run_python", run_python)
    else:
        payload["runJar"] = _run("run_jar", run_jar)
    if runtime is not None:
        payload["runtime"] = plain_text("runtime", runtime)
    if version is not None:
        payload["version"] = plain_text("version", version)
    if timeout_seconds is not None:
        payload["timeoutSeconds"] = _positive_int("timeout_seconds", timeout_seconds)
    if environment is not None:
        payload["environment"] = _environment(environment)
    return payload


def check_name(name: Any) -> None:
    """Check a run's name.

    :param name: the name.
    :raises InvalidArgumentError: unless it is 8 to 255 of ``[A-Za-z0-9_.-]``.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidArgumentError(
            f"name={name!r}: must be 8 to 255 characters out of letters, digits, '_', '-' and '.'"
        )


def plain_text(argument: str, value: Any) -> str:
    """A text, or the value of an enum member, as the official provider's ``Region`` and ``Runtime`` are.

    :param argument: name of the argument, for the error.
    :param value: what was given.
    :raises InvalidArgumentError: for anything else, and for an empty text.
    """
    text = getattr(value, "value", value)
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgumentError(f"{argument}={value!r}: must be a non-empty string")
    return text.strip()


def _run(argument: str, run: Any) -> dict[str, Any]:
    _check_mapping(argument, run, _RUN_KEYS[argument])
    uri = run.get("uri")
    if not isinstance(uri, str) or not uri.strip():
        raise InvalidArgumentError(f"{argument}['uri']={uri!r}: must be the S3 address of the file to run")
    checked: dict[str, Any] = {"uri": uri.strip()}
    args = run.get("args")
    if args is not None:
        if isinstance(args, str) or not isinstance(args, Sequence):
            raise InvalidArgumentError(f"{argument}['args']={args!r}: must be a list of strings")
        checked["args"] = [_argument(f"{argument}['args'][{index}]", value) for index, value in enumerate(args)]
    if run.get("mainClass") is not None:
        checked["mainClass"] = plain_text(f"{argument}['mainClass']", run["mainClass"])
    return checked


def _argument(where: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidArgumentError(f"{where}={value!r}: must be a string (or a number, which is made one)")


def _environment(environment: Any) -> dict[str, Any]:
    _check_mapping("environment", environment, _ENVIRONMENT_KEYS)
    checked: dict[str, Any] = {}
    for disk in ("sparkDriverDiskGB", "sparkExecutorDiskGB"):
        if environment.get(disk) is not None:
            checked[disk] = _positive_int(f"environment[{disk!r}]", environment[disk])
    configs = environment.get("sparkConfigs")
    if configs is not None:
        _check_mapping("environment['sparkConfigs']", configs)
        checked["sparkConfigs"] = {key: _spark_config(key, value) for key, value in configs.items()}
    dependencies = environment.get("dependencies")
    if dependencies is None:
        dependencies = []
    if isinstance(dependencies, str | Mapping) or not isinstance(dependencies, Sequence):
        raise InvalidArgumentError(f"environment['dependencies']={dependencies!r}: must be a list of objects")
    checked["dependencies"] = [
        _dependency(f"environment['dependencies'][{index}]", value) for index, value in enumerate(dependencies)
    ]
    return checked


def _spark_config(key: Any, value: Any) -> str:
    where = f"environment['sparkConfigs'][{key!r}]"
    if not isinstance(key, str):
        raise InvalidArgumentError(f"{where}: the name must be a string")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidArgumentError(f"{where}={value!r}: must be a string (numbers and booleans are made one)")


def _dependency(where: str, dependency: Any) -> dict[str, Any]:
    _check_mapping(where, dependency)
    source = dependency.get("sourceType") or ("FILE" if "filePath" in dependency else "PYPI")
    source = getattr(source, "value", source)
    if source not in _DEPENDENCY_KEYS:
        raise InvalidArgumentError(f"{where}['sourceType']={source!r}: must be 'PYPI' or 'FILE'")
    _check_mapping(where, dependency, _DEPENDENCY_KEYS[source])
    if source == "FILE":
        path = plain_text(f"{where}['filePath']", dependency.get("filePath"))
        if not path.endswith(FILE_DEPENDENCY_SUFFIXES):
            raise InvalidArgumentError(
                f"{where}['filePath']={path!r}: must end in {', '.join(FILE_DEPENDENCY_SUFFIXES)}"
            )
        return {"sourceType": "FILE", "filePath": path}
    checked = {
        "sourceType": "PYPI",
        "libraryName": plain_text(f"{where}['libraryName']", dependency.get("libraryName")),
    }
    if dependency.get("libraryVersion") is not None:
        checked["libraryVersion"] = plain_text(f"{where}['libraryVersion']", dependency["libraryVersion"])
    return checked


def _positive_int(argument: str, value: Any) -> int:
    # A templated number arrives as text.
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise InvalidArgumentError(f"{argument}={value!r}: must be a whole number above 0")
    return value


def _check_mapping(argument: str, value: Any, keys: Sequence[str] | None = None) -> None:
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{argument}={value!r}: must be an object (a dict)")
    unknown = [key for key in value if keys is not None and key not in keys]
    if unknown:
        raise InvalidArgumentError(f"{argument}: unknown key {unknown[0]!r}; must be one of {', '.join(keys or ())}")
