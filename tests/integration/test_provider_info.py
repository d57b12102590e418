"""What Airflow is told about the provider: valid in the installed version, and taken in by its provider manager."""

import importlib
import json
from importlib import metadata
from pathlib import Path

import airflow
import jsonschema
from airflow.providers_manager import ProvidersManager

from airflow_provider_wherobots import __version__
from airflow_provider_wherobots.flows.follow import DEFAULT_POLLING_INTERVAL
from airflow_provider_wherobots.flows.quota import DEFAULT_MAX_QUOTA_WAIT_SECONDS
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.get_provider_info import get_provider_info
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.operators.run import WherobotsRunOperator


def test_it_fits_the_schema_of_this_airflow() -> None:
    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_entry_point_names_it() -> None:
    (entry,) = [e for e in metadata.entry_points(group="apache_airflow_provider") if "wherobots" in e.value]
    assert entry.load() is get_provider_info


def test_the_provider_manager_takes_it_in() -> None:
    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    assert manager.providers["airflow-provider-wherobots"].version == __version__
    hook = manager.hooks["wherobots"]
    assert hook is not None
    assert hook.hook_class_name == f"{WherobotsHook.__module__}.{WherobotsHook.__qualname__}"
    assert {
        "airflow_provider_wherobots.links.run.WherobotsRunLink",
        "airflow_provider_wherobots.links.run.WherobotsSparkUiLink",
    } <= set(manager.extra_links_class_names)
    assert dict(manager.provider_configs)["airflow-provider-wherobots"] == get_provider_info()["config"]
    assert "airflow_provider_wherobots.triggers.run" in {info.trigger_class_name for info in manager.trigger}


def test_the_options_are_those_that_are_read_with_their_defaults() -> None:
    told = get_provider_info()["config"]["wherobots"]["options"]
    assert {name: option["default"] for name, option in told.items()} == {
        "default_deferrable": "True",
        "polling_interval": str(DEFAULT_POLLING_INTERVAL),
        "max_outage_seconds": str(DEFAULT_MAX_OUTAGE_SECONDS),
        "max_quota_wait_seconds": str(DEFAULT_MAX_QUOTA_WAIT_SECONDS),
    }


def test_every_link_of_the_operator_is_registered() -> None:
    links = {f"{type(link).__module__}.{type(link).__qualname__}" for link in WherobotsRunOperator.operator_extra_links}
    assert links == set(get_provider_info()["extra-links"])


def test_every_module_it_names_exists() -> None:
    info = get_provider_info()
    for link in info["extra-links"]:
        module, name = link.rsplit(".", 1)
        assert hasattr(importlib.import_module(module), name)
    for section in ("hooks", "operators", "triggers"):
        for entry in info[section]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
