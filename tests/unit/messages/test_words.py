import argparse
import importlib.util
import shlex

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots import words
from airflow_provider_wherobots.cli.main import add_commands
from airflow_provider_wherobots.logs.records import make_safe


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a second"),
        (0.999, "less than a second"),
        (1, "1 second"),
        (14.4, "14 seconds"),
        (59.6, "1 minute"),
        (127, "2 minutes 7 seconds"),
        (3599.9, "1 hour"),
        (3600, "1 hour"),
        (3610, "1 hour"),
        (7505, "2 hours 5 minutes"),
        (90_000, "1 day 1 hour"),
    ],
)
def test_durations_are_said_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("byte_count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (2, "2 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_960, "1.0 MB"),
        (999_850_500, "999.9 MB"),
        (999_960_000, "1.0 GB"),
        (123_450_000_050, "123.5 GB"),
    ],
)
def test_sizes_are_said_in_the_largest_unit_of_which_there_is_one(byte_count: int, said: str) -> None:
    assert words.size(byte_count) == said


def test_words_are_english_whatever_the_process_speaks() -> None:
    before = pendulum.get_locale()
    pendulum.set_locale("de")
    try:
        assert words.duration(7_500) == "2 hours 5 minutes"
        assert words.moment(1_750_000_000.9) == "2025-06-15 15:06:40 UTC"
    finally:
        pendulum.set_locale(before)


def test_a_text_is_cut_only_if_it_is_longer() -> None:
    assert words.quoted("x" * 20, 20) == "x" * 20
    assert words.quoted("x" * 21, 20) == "x" * 19 + "…"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_quoted_text_is_safe_and_bounded(text: str, limit: int) -> None:
    said = words.quoted(text, limit)
    assert len(said) <= limit
    said.encode()
    assert said.removesuffix("…") in make_safe(text) or said == make_safe(text)


@pytest.mark.parametrize("text", ["runs list --name '*-0123'", "runs cancel --yes r1", "orphans", "orphans --cancel"])
@pytest.mark.parametrize("conn_id", ["", "other"])
def test_a_command_that_a_message_names_exists_on_every_airflow(text: str, conn_id: str) -> None:
    # Before 3.2 Airflow's own command line has no commands of providers.
    python, option, module, *arguments = shlex.split(words.command(text, conn_id))
    assert (python, option) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    parser = argparse.ArgumentParser()
    add_commands(parser)
    assert parser.parse_args(arguments).conn == (conn_id or "wherobots_default")
