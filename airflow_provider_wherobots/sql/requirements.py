"""What SQL needs that an installation without the extra does not have."""

from __future__ import annotations

from importlib.util import find_spec

HOW_TO_INSTALL = "pip install 'airflow-provider-wherobots[sql]'"
PACKAGES = ("pyarrow", "cbor2")


def missing(*more: str) -> str:
    """What is not installed, and how to install it; empty if all is. Imports nothing.

    :param more: packages that are needed besides those of the extra.
    """
    absent = [name for name in (*PACKAGES, *more) if find_spec(name) is None]
    command = " ".join([HOW_TO_INSTALL, *(name for name in more if name in absent)])
    return f"SQL needs {' and '.join(absent)}: {command}" if absent else ""
