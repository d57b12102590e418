import pytest

from airflow_provider_wherobots.api.connection import EXTRA_KEYS, read_settings
from airflow_provider_wherobots.hooks.connection_form import EXTRA_FIELDS, ExtraField, field_behaviour, provider_info


def test_there_is_a_field_for_every_key_that_is_read_and_for_no_other() -> None:
    assert tuple(field.name for field in EXTRA_FIELDS) == EXTRA_KEYS
    assert list(provider_info()["conn-fields"]) == list(EXTRA_KEYS)


@pytest.mark.parametrize("field", EXTRA_FIELDS, ids=lambda field: field.name)
def test_suggestions_are_offered_and_nothing_else_is_refused(field: ExtraField) -> None:
    told = provider_info()["conn-fields"][field.name]
    assert told["label"] == field.label
    assert told["description"] == field.help
    assert "enum" not in told["schema"]
    assert told["schema"].get("examples", []) == list(field.suggestions)
    # What may be null is not asked for by the form.
    assert "null" in told["schema"]["type"]
    for value in field.suggestions:
        assert getattr(read_settings(password="key", extra=f'{{"{field.name}": "{value}"}}'), field.name) == value


def test_the_placeholder_of_the_template_is_a_template() -> None:
    placeholder = field_behaviour()["placeholders"]["console_url_template"]
    settings = read_settings(password="key", extra=f'{{"console_url_template": "{placeholder}"}}')
    assert settings.run_url("r1") == read_settings(password="key").run_url("r1")
