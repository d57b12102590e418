"""The pages name everything: example DAGs, arguments, XComs, exceptions, fields, settings; and quote real messages."""

import ast
import inspect
import json
import re
import textwrap
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.config import OPTIONS
from airflow_provider_wherobots.flows.follow import DEFAULT_POLLING_INTERVAL, poll_delay
from airflow_provider_wherobots.flows.summary import RunSummary
from airflow_provider_wherobots.hooks.connection_form import EXTRA_FIELDS, LABELS
from airflow_provider_wherobots.local import LocalServer
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.xcoms import DEFERRED_TRY_KEY, SPARK_UI_URL_KEY
from dev.processes import CHECKOUT

pytestmark = pytest.mark.once

DOCS = CHECKOUT / "docs"
COPIED = re.compile(r"^<!-- (\S+): (\w+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REGION = re.compile(r"^ *# \[START (\w+)\]\n(.*?)^ *# \[END \1\]", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (DOCS / name).read_text()


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading."""
    rows: list[list[str]] = []
    for line in text.partition(f"\n{heading}\n")[2].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
        elif rows:
            break
    assert len(rows) > 2, f"no table below {heading!r}"
    return rows[2:]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def regions(path: Path) -> dict[tuple[str, str], str]:
    """What pages may show of a file: its marked regions, or all of it."""
    text, name = path.read_text(), path.relative_to(CHECKOUT).as_posix()
    found = dict(REGION.findall(text)) or {"all": text}
    return {(name, marker): textwrap.dedent(part).strip() for marker, part in found.items()}


def test_the_pages_show_every_example_dag_as_it_is_tested() -> None:
    shown = [
        ((path, marker), block.strip())
        for text in map(Path.read_text, DOCS.glob("*.md"))
        for path, marker, block in COPIED.findall(text)
    ]
    of_dags, of_jobs = (
        {key: part for path in sorted((CHECKOUT / "example_dags").glob(pattern)) for key, part in regions(path).items()}
        for pattern in ("example_*.py", "jobs/*.py")
    )

    assert {key for key, _ in shown} >= of_dags.keys()
    for key, block in shown:
        assert block == (of_dags | of_jobs)[key], f"{key} differs from what a page shows: copy it into the page again"


def test_the_operators_guide_names_every_argument_with_its_default() -> None:
    told = {
        name: default
        for arguments, default, _ in table(page("operator.md"), "## Arguments")
        for name in names(arguments)
    }
    there = {
        name: parameter.default
        for name, parameter in inspect.signature(inspect.unwrap(WherobotsRunOperator.__init__)).parameters.items()
        if name not in ("self", "kwargs")
    }

    assert told.keys() == there.keys()
    configurable = {option.name.removeprefix("default_"): option.default for option in OPTIONS}
    for name, default in (there | configurable).items():
        said = told[name].partition(", or [configured](configuration.md)")
        assert bool(said[1]) == (name in configurable), name
        if default is not None:
            told_default = said[0].strip("`")
            assert told_default == (f"{default:g}" if isinstance(default, float) else str(default)), name


def test_the_operators_guide_names_what_is_templated() -> None:
    (sentence,) = re.findall(r"^Templated, at any depth: (.*?)\.$", page("operator.md"), re.MULTILINE)
    # `payload` is no argument: it is what Airflow shows.
    assert set(names(sentence)) == set(WherobotsRunOperator.template_fields) - {"payload"}


def test_the_operators_guide_names_every_xcom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = {"return_value"}
    identity = {
        "dag_id": "dag",
        "task_id": "task",
        "run_id": "manual",
        "map_index": -1,
        "try_number": 1,
        "max_tries": 0,
    }
    ti = SimpleNamespace(**identity, start_date=datetime.now(UTC), xcom_push=lambda key, value: pushed.add(key))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "job.py").write_text("print('hello')")
    context: Any = {"ti": ti, "dag_run": SimpleNamespace(start_date=datetime.now(UTC))}

    with LocalServer(tmp_path, api_key="local-key") as server:
        connection = {"conn_type": "wherobots", "host": server.url, "password": "local-key"}
        monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
        WherobotsRunOperator(
            task_id="task",
            run_python={"uri": "s3://jobs/job.py"},
            deferrable=False,
            wait_post_run_logs_timeout_seconds=0,
        ).execute(context)

    told = {name for keys, *_ in table(page("operator.md"), "## XComs and links") for name in names(keys)}
    # The local server has no Spark UI, nothing is deferred here, and Airflow 3 finds a link by a key of Airflow's.
    elsewhere = {SPARK_UI_URL_KEY, DEFERRED_TRY_KEY}
    assert {key for key in pushed if not key.startswith("_link_")} | elsewhere == told


def test_the_operators_guide_names_every_key_of_the_summary() -> None:
    text = page("operator.md").partition("`run_summary` always has these keys")[2]
    told = [name for keys, _ in table("\n# x\n" + text, "# x") for name in names(keys)]
    assert told == [field.name for field in fields(RunSummary)]


def test_the_operators_guide_names_every_exception_and_whether_it_is_retried() -> None:
    told = {names(kind)[0]: retried for kind, _, retried in table(page("operator.md"), "## How a task fails")}
    there = {
        name: kind
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and kind.__module__ == exceptions.__name__ and name != "WherobotsException"
    }

    assert told.keys() == there.keys()
    for name, kind in there.items():
        assert told[name].startswith("no") == issubclass(kind, exceptions.NOT_RETRIED), name


def test_the_connections_page_names_every_field() -> None:
    text = page("connection.md")
    told = " ".join(field for field, _ in table(text, "## In the UI"))
    for label in [*LABELS.values(), *(field.label for field in EXTRA_FIELDS)]:
        assert label in told
    (rule,) = (rule for field, rule in table(text, "## Rules") if field == "`extra`")
    assert set(names(rule)) == {field.name for field in EXTRA_FIELDS}


def test_the_configuration_page_names_every_option_with_its_default() -> None:
    told = {
        names(option)[0]: default.strip("`") for option, default, _ in table(page("configuration.md"), "## Options")
    }
    assert told == {option.name: str(option.default) for option in OPTIONS}


def test_moving_compares_every_argument() -> None:
    told = [name for argument, *_ in table(page("moving.md"), "## Arguments") for name in names(argument)]
    there = inspect.signature(inspect.unwrap(WherobotsRunOperator.__init__)).parameters
    assert sorted(told) == sorted(name for name in there if name not in ("self", "kwargs"))


def texts() -> str:
    """All texts of the code, one a line; what is formatted into them is an ellipsis."""
    found = []
    for path in sorted((CHECKOUT / "airflow_provider_wherobots").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_troubleshooting_page_quotes_messages_that_exist() -> None:
    """A message is looked for as it is; behind an ellipsis at its end anything may follow."""
    quoted = []
    for line in page("troubleshooting.md").splitlines():
        if line.startswith("| "):
            # Messages of Airflow and Python are not in this code. What has no space is an argument or an example.
            seen = re.sub(r"`[^`]+` \((Airflow|Python)\)", "", re.split(r"(?<!\\)\|", line)[1])
            quoted += [message for message in names(seen) if " " in message]

    assert len(quoted) > 25
    there = texts()
    assert [message for message in quoted if message.rstrip("…") not in there] == []


@pytest.mark.parametrize(("length", "seconds"), [("1 minute", 60), ("10 minutes", 600), ("1 hour", 3600)])
def test_the_production_page_counts_polls_by_the_rule(length: str, seconds: float) -> None:
    age, polls = 0.0, 1
    while age < seconds:
        age += poll_delay(age, DEFAULT_POLLING_INTERVAL)
        polls += 1
    told = dict(table(page("production.md").replace("| length of the run", "\n# polls\n\n| length"), "# polls"))
    assert told[length] == str(polls)


def test_the_readme_links_to_files_that_exist() -> None:
    text = (CHECKOUT / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_the_pages_show_every_picture() -> None:
    shown = {name for text in map(Path.read_text, DOCS.glob("*.md")) for name in re.findall(r"images/([\w.-]+)", text)}
    assert shown == {path.name for path in (DOCS / "images").glob("*")}
