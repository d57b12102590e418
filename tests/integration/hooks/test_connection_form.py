"""The connection form as the installed Airflow makes it out of what the provider says."""

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_provider_wherobots.hooks.connection_form import EXTRA_FIELDS, HIDDEN_FIELDS, LABELS, PLACEHOLDERS

installed = Version(Version(airflow_version).base_version)

# In a process of its own: Airflow 3 puts mocks in the place of wtforms to make the form.
ASK_AIRFLOW_2 = """
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
behaviour = manager.field_behaviours[connection_type]
form = {
    "name": manager.hooks[connection_type].hook_name,
    "hidden": behaviour["hidden_fields"],
    "labels": behaviour["relabeling"],
    "placeholders": behaviour["placeholders"],
    "extra": {
        widget.field_name: {
            "label": widget.field.args[0],
            "help": widget.field.kwargs["description"],
            "kind": widget.field.field_class.__name__,
        }
        for key, widget in manager.connection_form_widgets.items()
        if key.startswith(f"extra__{connection_type}__")
    },
}
"""
ASK_AIRFLOW_3 = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
(meta,) = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == connection_type]
standard = {
    "schema" if key == "url_schema" else key: value
    for key, value in (meta.standard_fields.model_dump() if meta.standard_fields else {}).items()
    if value
}
form = {
    "name": meta.hook_name,
    "hidden": [key for key, value in standard.items() if value["hidden"]],
    "labels": {key: value["title"] for key, value in standard.items() if value["title"]},
    "placeholders": {key: value["placeholder"] for key, value in standard.items() if value["placeholder"]},
    "extra": {
        key: {"label": field["schema"]["title"], "help": field["description"], **field["schema"]}
        for key, field in (meta.extra_fields or {}).items()
    },
}
"""
ASK = """
import json, sys, warnings
for connection_type in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        {ask}
    form["warnings"] = [str(warning.message) for warning in caught if "herobots" in str(warning.message)]
    print("FORM" + json.dumps(form))
"""
TYPES = ("wherobots", "wherobots_sql")


@pytest.fixture(scope="module")
def forms() -> dict[str, dict[str, Any]]:
    """What Airflow makes of each type of connection."""
    ask = ASK_AIRFLOW_2 if installed < Version("3") else ASK_AIRFLOW_3
    script = ASK.format(ask=ask.strip().replace("\n", "\n        "))
    answer = subprocess.run([sys.executable, "-c", script, *TYPES], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    lines = [line.removeprefix("FORM") for line in answer.stdout.splitlines() if line.startswith("FORM")]
    return dict(zip(TYPES, map(json.loads, lines), strict=True))


@pytest.fixture(params=TYPES)
def connection_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def form(forms: dict[str, dict[str, Any]], connection_type: str) -> dict[str, Any]:
    made = forms[connection_type]
    if Version("3.0") <= installed < Version("3.1") and not made["extra"]:
        pytest.skip("Airflow 3.0 itself has no form of any provider's own without the FAB provider's wtforms")
    return made


def test_unused_fields_are_hidden_and_the_others_say_what_they_are(form: dict[str, Any], connection_type: str) -> None:
    assert form["name"] == {"wherobots": "Wherobots", "wherobots_sql": "Wherobots SQL"}[connection_type]
    assert sorted(form["hidden"]) == sorted(HIDDEN_FIELDS)
    assert form["labels"] == LABELS
    standard = {name: text for name, text in form["placeholders"].items() if not name.startswith("extra__")}
    assert standard == PLACEHOLDERS


def test_the_extra_fields_are_free_text_with_help(form: dict[str, Any]) -> None:
    assert {name: (field["label"], field["help"]) for name, field in form["extra"].items()} == {
        field.name: (field.label, field.help) for field in EXTRA_FIELDS
    }
    assert not any("enum" in field for field in form["extra"].values())


def test_known_values_are_suggested(form: dict[str, Any], connection_type: str) -> None:
    for field in EXTRA_FIELDS:
        made = form["extra"][field.name]
        if installed >= Version("3.2"):
            assert made.get("examples", []) == list(field.suggestions)
        elif installed < Version("3"):
            assert made["kind"] == "StringField"
            assert form["placeholders"][f"extra__{connection_type}__{field.name}"] == field.placeholder
        # Whatever the form can do, its help names some.
        assert all(value in made["help"] for value in field.suggestions[:2])


def test_nothing_the_provider_says_is_deprecated(forms: dict[str, dict[str, Any]], connection_type: str) -> None:
    assert forms[connection_type]["warnings"] == []
