"""Hiding probable secrets in the payload of a run, before it is shown.

Scripts get secrets as arguments, and Spark gets them as settings. The service echoes both. A secret is found by the
name next to it; one without such a name is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

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
