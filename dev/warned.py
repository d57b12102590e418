"""Warnings that the provider's code causes, whatever file they point to.

The stack levels of Airflow's deprecation warnings often point into Airflow itself or into the user's DAG
file, so a filter by module does not find the cause. The call stack does.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import airflow_provider_wherobots
from dev.places import TREE

OURS = (str(Path(airflow_provider_wherobots.__file__).parent), str(TREE / "example_dags"))
MACHINERY = ("warnings", "importlib", "typing_extensions", "deprecated", "wrapt", "functools", "contextlib")
"""Packages between a deprecation warning and the code that uses the deprecated name."""
LAZY_ATTRIBUTE = ("__getattr__", "getattr_with_deprecation")
"""Airflow's functions that look up names that have moved."""


class Warned:
    """While entered, records every warning whose cause is the provider or an example DAG.

    The cause is the code that uses a deprecated name or module, or that calls Airflow. Warnings that our own code
    raises are intended, and not recorded.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        """The warnings, each with the line of code that caused it."""
        self._warn: Callable[..., None] = warnings.warn

    def __enter__(self) -> Self:
        self._warn = warnings.warn
        warnings.warn = self._record
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        warnings.warn = self._warn

    def _record(
        self,
        message: str | Warning,
        category: type[Warning] | None = None,
        stacklevel: int = 1,
        source: Any = None,
        **more: Any,
    ) -> None:
        caller = sys._getframe(1)
        cause = _cause(caller)
        if cause is not None and cause is not caller:
            kind = type(message) if isinstance(message, Warning) else category or UserWarning
            self.told.append(f"{cause.f_code.co_filename}:{cause.f_lineno}: {kind.__name__}: {message}")
        self._warn(message, category, stacklevel + 1, source, **more)


def _cause(frame: FrameType | None) -> FrameType | None:
    first = True
    asked_for = False
    while frame is not None:
        function = frame.f_code.co_name
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if frame.f_code.co_filename.startswith(OURS):
            return frame
        if package == "airflow":
            is_name = function in LAZY_ATTRIBUTE or (function == "<module>" and first)
            if not is_name and (asked_for or function == "<module>"):
                return None
            asked_for = asked_for or is_name
            first = False
        elif package not in MACHINERY and not frame.f_code.co_filename.startswith("<frozen importlib"):
            return None
        frame = frame.f_back
    return None
