"""What Airflow is told about the provider: valid in the installed version, and taken in by its provider manager."""

import importlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import airflow
import jsonschema
from airflow.providers_manager import ProvidersManager

from airflow_provider_wherobots import __version__
from airflow_provider_wherobots.cli.main import get_wherobots_cli_commands
from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.decorators.wherobots import wherobots_task
from airflow_provider_wherobots.flows.follow import DEFAULT_POLLING_INTERVAL
from airflow_provider_wherobots.flows.quota import DEFAULT_MAX_QUOTA_WAIT_SECONDS
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.get_provider_info import get_provider_info
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator


def test_it_fits_the_schema_of_this_airflow() -> None:
    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_entry_point_names_it() -> None:
    (entry,) = [e for e in metadata.entry_points(group="apache_airflow_provider") if "wherobots" in e.value]
    assert entry.load() is get_provider_info


def test_the_provider_manager_takes_it_in() -> None:
    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    assert manager.providers["airflow-provider-wherobots"].version == __version__
    for kind in (WherobotsHook, WherobotsSqlHook):
        hook = manager.hooks[kind.conn_type]
        assert hook is not None
        assert hook.hook_class_name == f"{kind.__module__}.{kind.__qualname__}"
        assert hook.hook_name == kind.hook_name
        assert hook.connection_testable
    assert {
        "airflow_provider_wherobots.links.run.WherobotsRunLink",
        "airflow_provider_wherobots.links.run.WherobotsSparkUiLink",
    } <= set(manager.extra_links_class_names)
    decorators: Any = manager.taskflow_decorators
    assert "wherobots" in decorators
    assert decorators["wherobots"] is wherobots_task
    assert dict(manager.provider_configs)["airflow-provider-wherobots"] == get_provider_info()["config"]
    assert "airflow_provider_wherobots.triggers.run" in {info.trigger_class_name for info in manager.trigger}


def test_the_options_are_those_that_are_read_with_their_defaults() -> None:
    told = get_provider_info()["config"]["wherobots"]["options"]
    assert {name: option["default"] for name, option in told.items()} == {
        "default_deferrable": "True",
        "polling_interval": str(DEFAULT_POLLING_INTERVAL),
        "max_outage_seconds": str(DEFAULT_MAX_OUTAGE_SECONDS),
        "max_quota_wait_seconds": str(DEFAULT_MAX_QUOTA_WAIT_SECONDS),
        "max_pending_seconds": "0.0",
        "wait_post_run_logs_timeout_seconds": "60.0",
        "copy_log_on_resume": "False",
        "task_page": "True",
    }


def test_every_link_of_the_operators_is_registered() -> None:
    found = (*WherobotsRunOperator.operator_extra_links, *WherobotsSqlOperator.operator_extra_links)
    links = {f"{type(link).__module__}.{type(link).__qualname__}" for link in found}
    assert links == set(get_provider_info()["extra-links"])


def test_the_commands_are_part_of_airflows_own() -> None:
    """Airflow before 3.2 does not know the key, and knows no such command."""
    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    if AIRFLOW < (3, 2):
        assert not hasattr(manager, "cli_command_functions")
        return
    assert get_wherobots_cli_commands in manager.cli_command_functions
    from airflow.cli.cli_parser import get_parser

    parsed = get_parser().parse_args(["wherobots", "runs", "cancel", "--yes", "run0"])
    assert (parsed.wherobots_command, parsed.yes, parsed.run_ids) == ("runs cancel", True, ["run0"])
    parsed = get_parser().parse_args(["wherobots", "orphans", "--cancel", "-o", "json"])
    assert (parsed.wherobots_command, parsed.cancel, parsed.output) == ("orphans", True, "json")


def test_every_module_it_names_exists() -> None:
    info = get_provider_info()
    for link in (*info["extra-links"], *info["cli"]):
        module, name = link.rsplit(".", 1)
        assert hasattr(importlib.import_module(module), name)
    for decorator in info["task-decorators"]:
        module, name = decorator["class-name"].rsplit(".", 1)
        assert callable(getattr(importlib.import_module(module), name))
    for section in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[section]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
