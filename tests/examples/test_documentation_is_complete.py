"""The pages name everything: example DAGs, arguments, XComs, exceptions, fields, settings; and quote real messages."""

import argparse
import ast
import inspect
import json
import re
import textwrap
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots import exceptions, stored
from airflow_provider_wherobots.api.errors import QuotaError, error_from_response
from airflow_provider_wherobots.config import OPTIONS
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.flows.sql.outcome import SqlSummary
from airflow_provider_wherobots.hooks.connection_form import EXTRA_FIELDS, LABELS
from airflow_provider_wherobots.logs.causes import CAUSES
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.runs.summary import RunSummary
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from airflow_provider_wherobots.sql.parameters import bind
from dev import reference
from tests.support.pages import code
from tests.support.places import CHECKOUT, TREE
from wherobots_local import ControlClient
from wherobots_local.control.faults import Behaviour, FaultRules

DOCS = TREE / "docs"
SERVER_DOCS = TREE / "local_server" / "docs"
SERVER_API = SERVER_DOCS / "api.md"
COPIED = re.compile(r"^<!-- (\S+): (\w+) -->\n```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
    text, name = path.read_text(), path.relative_to(TREE).as_posix()
    found = dict(REGION.findall(text)) or {"all": text}
    return {(name, marker): textwrap.dedent(part).strip() for marker, part in found.items()}


def test_the_pages_show_example_dags_as_they_are_tested() -> None:
    shown = [
        ((path, marker), code(kind, block).strip())
        for text in map(Path.read_text, (TREE / "README.md", *DOCS.glob("*.md")))
        for path, marker, kind, block in COPIED.findall(text)
    ]
    files = [*(TREE / "example_dags").rglob("*.py"), *(TREE / "local_server" / "examples").rglob("*.py")]
    there = {key: part for path in files for key, part in regions(path).items()}

    assert len(shown) > 5
    for key, block in shown:
        assert block == there[key], f"{key} differs from what a page shows: copy it into the page again"


def test_the_page_of_examples_names_every_example() -> None:
    rows = table(f"\n{page('examples.md')}", "# Examples and recipes")
    told = [name for examples, _ in rows for name in names(examples)]
    assert sorted(told) == sorted(path.stem for path in (TREE / "example_dags").glob("*.py"))


def test_the_operators_guide_names_every_argument_with_its_default() -> None:
    told = {
        name: default
        for arguments, default, _ in table(page("run-a-script.md"), "## Arguments")
        for name in names(arguments)
    }
    there = {
        name: parameter.default
        for name, parameter in inspect.signature(inspect.unwrap(WherobotsRunOperator.__init__)).parameters.items()
        if name not in ("self", "kwargs")
    }

    assert told.keys() == there.keys()
    # No argument overrides these options.
    configurable = {option.name.removeprefix("default_"): option.default for option in OPTIONS}
    del configurable["copy_log_on_resume"], configurable["task_page"]
    for name, default in (there | configurable).items():
        said = told[name].partition(", or [configured](")
        assert bool(said[1]) == (name in configurable), name
        if default is not None:
            told_default = said[0].strip("`")
            assert told_default == (f"{default:g}" if isinstance(default, float) else str(default)), name


@pytest.mark.parametrize(
    ("name", "operator"), [("run-a-script.md", WherobotsRunOperator), ("sql.md", WherobotsSqlOperator)]
)
def test_an_operators_page_names_what_is_templated(name: str, operator: Any) -> None:
    (sentence,) = re.findall(r"^Templated(?:, at any depth)?: (.*?)\.$", page(name), re.MULTILINE)
    assert set(names(sentence)) == set(operator.template_fields)


@pytest.mark.parametrize(("name", "operator"), [("moving.md", WherobotsRunOperator), ("sensor.md", WherobotsRunSensor)])
def test_a_table_of_arguments_has_each_once(name: str, operator: Any) -> None:
    told = [each for argument, *_ in table(page(name), "## Arguments") for each in names(argument)]
    assert sorted(told) == sorted(arguments_of(operator))


def test_the_operators_guide_names_every_xcom() -> None:
    told = {name for keys, *_ in table(page("run-a-script.md"), "## XComs and links") for name in names(keys)}
    there = {key for name, key in vars(stored).items() if name.endswith("_KEY") and not name.startswith("SQL_")}
    assert {name.removesuffix("-…") for name in told} == there | {"return_value"}


def test_the_operators_guide_names_every_key_of_the_summary() -> None:
    text = page("run-a-script.md").partition("`run_summary` always has these keys")[2]
    told = [name for keys, _ in table("\n# x\n" + text, "# x") for name in names(keys)]
    assert told == list(RunSummary("", "", "").to_json())


def test_the_operators_guide_names_every_exception_and_whether_it_is_retried() -> None:
    told = {names(kind)[0]: retried for kind, _, retried in table(page("run-a-script.md"), "## How a task fails")}
    there = {
        name: kind
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and kind.__module__ == exceptions.__name__ and name != "WherobotsException"
    }

    on_sql = {names(kind)[0]: retried for kind, _, retried in table(page("sql-sessions.md"), "## How a task fails")}
    assert told.keys() == {name for name in there if "Sql" not in name}
    assert on_sql.keys() >= there.keys() - told.keys()
    for retries in (told, on_sql):
        for name, retried in retries.items():
            assert retried.startswith("no") == issubclass(there[name], exceptions.NOT_RETRIED), name


def arguments_of(operator: Any) -> dict[str, Any]:
    parameters = inspect.signature(inspect.unwrap(operator.__init__)).parameters.items()
    return {name: parameter.default for name, parameter in parameters if name not in ("self", "kwargs")}


def test_the_sql_page_names_every_argument_with_its_default() -> None:
    rows = table(page("sql.md"), "## Arguments")
    told = {name: default for arguments, default, _ in rows for name in names(arguments)}
    there = arguments_of(WherobotsSqlOperator)

    # Airflow's own arguments.
    assert told.keys() - there.keys() == {"parameters", "split_statements", "return_last"}
    assert there.keys() <= told.keys()
    for name, default in there.items():
        if default is not inspect.Parameter.empty and default is not None:
            assert told[name].strip("`") == str(default), name


def test_the_sql_page_says_what_becomes_of_parameters() -> None:
    seen = 0
    for placeholder, parameters, becomes in table(page("sql.md"), "## Pass values and names"):
        given = re.fullmatch(r"`(\{.*\})`", parameters)
        if given:
            values = eval(given[1], {"date": date})  # noqa: S307 - our own documentation
            text = re.match(r"`` (.*?) ``|`(.*?)`", becomes)
            assert text
            assert bind(f"x {names(placeholder)[0]} x", values) == f"x {text[1] or text[2]} x"
            seen += 1
    assert seen == 5


def test_the_sql_pages_name_every_xcom_and_key_of_the_summary() -> None:
    text = page("sql.md").partition("## XComs and links")[2]
    told = {name for keys, *_ in table(f"\n# x\n{text}", "# x") for name in names(keys)}
    there = {value for name, value in vars(stored).items() if name.startswith("SQL_")}
    assert set(told) == there | {"return_value"}
    summary = text.partition("`sql_summary` always has these keys")[2]
    told_keys = [name for keys, _ in table(f"\n# x\n{summary}", "# x") for name in names(keys)]
    assert sorted(told_keys) == sorted(field.name for field in fields(SqlSummary))


def test_the_connections_page_names_every_field() -> None:
    text = page("connection.md")
    told = " ".join(field for field, _ in table(text, "## In the UI"))
    for label in [*LABELS.values(), *(field.label for field in EXTRA_FIELDS)]:
        assert label in told
    (rule,) = (rule for field, rule in table(text, "## Rules") if field == "`extra`")
    assert set(names(rule)) == {field.name for field in EXTRA_FIELDS}


def test_the_connections_page_names_every_option_with_its_default() -> None:
    rows = table(page("connection.md"), "## Defaults for all tasks")
    told = {names(option)[0]: default.strip("`") for option, default, _ in rows}
    assert told == {option.name: str(option.default) for option in OPTIONS}


def test_the_local_servers_page_names_every_switch_with_its_default() -> None:
    rows = [
        *table(SERVER_API.read_text(), "## Switches"),
        *table(SERVER_API.read_text(), "### Switches of SQL sessions"),
    ]
    told = {names(switch)[0]: json.loads(default.strip("`")) for switch, default, _ in rows}
    assert told == Behaviour().model_dump()


def test_the_local_servers_page_names_every_control_call() -> None:
    public = {name for name in dir(ControlClient) if not name.startswith("_")}
    assert set(reference.SERVER["wherobots_local.ControlClient"].split()) == public


def test_the_local_servers_page_shows_a_quota_error_as_the_provider_knows_it() -> None:
    (block,) = re.findall(r"### Quota\n.*?```json\n(.*?)^```$", SERVER_API.read_text(), re.MULTILINE | re.DOTALL)
    rule = json.loads(block)
    FaultRules().add(rule, 0)
    sent = rule["action"]
    error = error_from_response(
        rule["operation"], sent["status"], {}, json.dumps(sent["body"]).encode(), address="https://api.example.com"
    )
    assert isinstance(error, QuotaError)


def test_moving_compares_every_argument_of_sql() -> None:
    text = page("moving.md").partition("Arguments of `WherobotsSqlOperator`:")[2]
    told = {name for arguments, *_ in table(f"\n# x\n{text}", "# x") for name in names(arguments)}
    assert told >= arguments_of(WherobotsSqlOperator).keys()


def texts() -> str:
    """All texts of both packages, one a line; what is formatted into them is an ellipsis."""
    found = []
    packages = (CHECKOUT / "airflow_provider_wherobots", CHECKOUT / "local_server" / "wherobots_local")
    for path in sorted(file for package in packages for file in package.rglob("*.py")):
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
        if line.startswith("* "):
            # Messages of Airflow and Python are not in this code. What has no space is an argument or an example.
            seen = re.sub(r"`[^`]+` \((Airflow|Python)\)", "", line)
            quoted += [message for message in names(seen) if " " in message]

    assert len(quoted) > 25
    there = texts()
    assert [message for message in quoted if message.rstrip("…") not in there] == []


def test_the_troubleshooting_page_names_every_probable_cause() -> None:
    causes = table(page("troubleshooting.md"), "## Probable causes")
    assert [cause for cause, *_ in causes] == [cause.name for cause in CAUSES]


def test_the_production_page_says_how_often_a_run_is_polled() -> None:
    told = re.search(r"every (\d+) seconds at first, and slows down to every (\d+) seconds", page("production.md"))
    assert told is not None
    options = FollowOptions("r1", started_at=0.0)
    assert [options.poll_delay(age) for age in (0, 24 * 3600)] == [float(seconds) for seconds in told.groups()]


@pytest.mark.parametrize(
    "readme", [TREE / "README.md", TREE / "local_server" / "README.md"], ids=["provider", "server"]
)
def test_a_readme_links_to_files_that_exist(readme: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text()) if "://" not in link]
    assert links
    assert [link for link in links if not (readme.parent / link).exists()] == []


def test_the_pages_show_every_picture() -> None:
    for folder in (DOCS, SERVER_DOCS):
        texts_there = map(Path.read_text, folder.glob("*.md"))
        shown = {name for text in texts_there for name in re.findall(r"images/([\w.-]+)", text)}
        assert shown == {path.name for path in (folder / "images").glob("*")}


def test_the_command_lines_page_names_every_option() -> None:
    from airflow_provider_wherobots.cli.main import add_commands

    def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
        (action,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
        return dict(action.choices)

    parser = argparse.ArgumentParser()
    add_commands(parser)
    parsers = commands(parser)
    parsers |= {f"runs {name}": one for name, one in commands(parsers.pop("runs")).items()}
    # It has a page of its own.
    del parsers["doctor"]
    there = {name: {one.option_strings[-1] for one in p._actions if one.option_strings} for name, p in parsers.items()}
    told = {
        re.sub(r" [A-Z].*", "", names(command)[0]): {name for name in names(options) if name.startswith("--")}
        for command, _, options in table(page("command-line.md"), "## Runs")
    }
    assert {name: options | {"--help"} for name, options in told.items()} == there


def test_the_doctors_page_names_every_question() -> None:
    from airflow_provider_wherobots.doctor.trial import QUESTIONS

    told = table(page("command-line.md"), "### Compare the service with what the provider assumes")
    assert [question for question, *_ in told] == [question.text for question in QUESTIONS]


def test_the_reference_is_that_of_the_code() -> None:
    for path, text in reference.pages().items():
        assert path.read_text() == text, "run 'python -m dev.reference'"
