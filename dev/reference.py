"""Writes the reference pages from signatures and docstrings: ``python -m dev.reference``."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

_TREE = Path(__file__).parents[1]
_PACKAGE = "airflow_provider_wherobots"
HOOKS = {
    f"{_PACKAGE}.hooks.wherobots.WherobotsHook": (
        "create_run get_run list_runs cancel_run get_run_logs get_run_metrics upload_file"
    ),
    f"{_PACKAGE}.hooks.sql.WherobotsSqlHook": "start_session stop_session get_df read_stored insert_rows close",
    f"{_PACKAGE}.dbapi.connection.Cursor": "execute fetchone fetchmany fetchall fetch_pandas fetch_records",
}
MODELS = ("Run", "KubeApp", "Event", "LogPage", "LogLine", "RunMetrics")
FUNCTIONS = {f"{_PACKAGE}.retry_policies.wherobots_retry_policy": ""}
SERVER = {
    "wherobots_local.LocalServer": "start stop",
    "wherobots_local.ControlClient": (
        "behaviour add_fault faults clear_faults requests clear_requests counts create_run patch_run insert_logs "
        "rotate_api_key reset runs sql_sessions answer_sql"
    ),
}
"""Classes with the methods that the server's page shows."""
PROVIDER_HEAD = """\
# API reference

`python -m dev.reference` writes this page from the code. The arguments are on the pages of
[the run operator](run-a-script.md#arguments), [the decorator](decorator.md), [the sensor](sensor.md#arguments),
[the SQL operator](sql.md#arguments) and [the SQL hook](sql-hook.md#arguments). Both hooks take
`wherobots_conn_id`.
"""
SERVER_HEAD = """\
# Reference

`python -m dev.reference` writes this page from the code. [Faults and switches](api.md) explains how to use it.
"""


class _Text(str):
    """An annotation that is shown as it is written."""

    __slots__ = ()
    __repr__ = str.__str__


def signature(thing: Any) -> str:
    """Return the arguments of a function, and what it returns."""
    found = inspect.signature(thing)
    shown = [
        each.replace(annotation=_Text(each.annotation)) if isinstance(each.annotation, str) else each
        for each in found.parameters.values()
        if each.name != "self"
    ]
    return str(inspect.Signature(shown, return_annotation=_Text(found.return_annotation)))


def sentence(thing: Any) -> str:
    """Return the first sentence of a docstring, as Markdown."""
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return re.sub(r":\w+:`~?(.*?)`|``(.*?)``", lambda found: f"`{found[1] or found[2]}`", f"{text}.")


def entry(path: str, members: str) -> str:
    """Return what a page says about a class with methods, or about a function."""
    module, _, name = path.rpartition(".")
    thing = getattr(import_module(module), name)
    lines = [f"## {name}", "", f"`from {module} import {name}`", ""]
    shown = [getattr(thing, member) for member in members.split()] or [thing]
    lines += [f"* `{each.__name__}{signature(each)}`\\\n  {sentence(each)}" for each in shown]
    return "\n".join(lines)


def models() -> str:
    module = import_module(f"{_PACKAGE}.api.runs.models")
    lines = [f"From `{module.__name__}`:", ""]
    for name in MODELS:
        model = getattr(module, name)
        annotations = dict(model.__annotations__)
        for member, value in vars(model).items():
            if isinstance(value, property) and not member.startswith("_"):
                annotations[member] = value.fget.__annotations__["return"]
        shown = (f"`{field}: {getattr(kind, '__forward_arg__', kind)}`" for field, kind in annotations.items())
        lines.append(f"* `{name}`\\\n  {', '.join(shown)}")
    lines.append("* `Line`\\\n  `tuple[str | int, str]`: time and text, as a `LogLine` or as a plain tuple")
    return "\n".join(lines)


def errors() -> str:
    module = import_module(f"{_PACKAGE}.api.errors")
    kinds = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    lines = [f"From `{module.__name__}`:", ""]
    lines += [f"* `{kind.__name__}`\\\n  {sentence(kind)}" for kind in kinds if kind.__module__ == module.__name__]
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    provider = [
        PROVIDER_HEAD,
        *(entry(*each) for each in HOOKS.items()),
        "## What it returns",
        models(),
        "## What it raises",
        errors(),
        *(entry(*each) for each in FUNCTIONS.items()),
    ]
    server = [SERVER_HEAD, *(entry(*each) for each in SERVER.items())]
    return {
        _TREE / "docs" / "reference.md": "\n\n".join(part.strip() for part in provider) + "\n",
        _TREE / "local_server" / "docs" / "reference.md": "\n\n".join(part.strip() for part in server) + "\n",
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text)
