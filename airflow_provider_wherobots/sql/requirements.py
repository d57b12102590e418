"""What SQL needs that an installation without the extra does not have."""

from __future__ import annotations

from importlib.util import find_spec

HOW_TO_INSTALL = "install the extra sql of airflow-provider-wherobots, from where you got the provider"
PACKAGES = ("pyarrow", "cbor2")


def missing(*, frames: bool = False) -> str:
    """What is not installed, and how to install it; empty if all is. Imports nothing."""
    absent = [name for name in (*PACKAGES, *(("pandas",) if frames else ())) if find_spec(name) is None]
    return f"SQL needs {' and '.join(absent)}: {HOW_TO_INSTALL}" if absent else ""
