"""What the files for contributors say is so: folders, commands and workflows exist as they are named."""

import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.places import CHECKOUT, TREE

PACKAGES = {"airflow_provider_wherobots": CHECKOUT, "wherobots_local": CHECKOUT / "local_server"}
WORKFLOWS = TREE / ".github" / "workflows"
in_a_checkout = pytest.mark.skipif(not WORKFLOWS.exists(), reason="the source distribution has no .github")


def read_yaml(path: Path) -> Any:
    # YAML 1.1 reads the key "on" as true.
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md"])
def test_every_path_that_a_page_for_contributors_names_exists(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (TREE / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    named = {
        path for path in re.findall(r"`([\w./-]+(?:/|\.py|\.md|\.yaml|\.yml))`", text) if not path.startswith("docs/_")
    }
    places = (CHECKOUT, CHECKOUT / "airflow_provider_wherobots", WORKFLOWS, TREE / "tests" / "integration")
    missing = {path for path in named if not any((place / path).exists() for place in places)}
    assert named
    # "make dist" makes it.
    assert missing <= {"dist/"}


def test_the_commands_are_targets() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)", (TREE / "Makefile").read_text(), re.MULTILINE)
    pages = "".join((TREE / page).read_text() for page in ("CONTRIBUTING.md", "RELEASING.md", "README.md"))
    assert set(re.findall(r"`make ([\w-]+)", pages)) <= set(targets.split())


def test_each_package_is_installed_as_it_is_before_or_after_the_first_release() -> None:
    pages = [
        path
        for folder in (TREE, TREE / "local_server")
        for path in (folder / "README.md", *sorted((folder / "docs").glob("*.md")))
    ]
    arguments: dict[str, list[str]] = {}
    for page in pages:
        for block in re.findall(r"^ *```\w*\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
            named = re.findall(
                r"(?:/path/to/checkout[\w/-]*|(?<!/)airflow-provider-wherobots|wherobots-local)(?:\[[\w,]+\])?(?: @)?",
                block,
            )
            if named and ("pip install" in block or "pipx install" in block):
                arguments.setdefault(page.relative_to(TREE).as_posix(), []).extend(named)
    released = re.search(r"^## [\d.]+, \d{4}-\d\d-\d\d$", (TREE / "CHANGELOG.md").read_text(), re.MULTILINE)
    provider, server = (
        ("airflow-provider-wherobots", "wherobots-local")
        if released
        else ("/path/to/checkout", "/path/to/checkout/local_server")
    )
    assert arguments == {
        "README.md": [provider],
        "local_server/README.md": [f"{server}[sql]"],
        "local_server/docs/server.md": [f"{server}[sql]"],
        "docs/quickstart.md": [server, provider],
        # CI has no checkout: before a release, the addresses of a Git server.
        "docs/test-your-dags.md": [
            f"{name}{'' if released else ' @'}" for name in ("airflow-provider-wherobots[sql]", "wherobots-local")
        ],
    }
    texts = {page.relative_to(TREE).as_posix(): " ".join(page.read_text().split()) for page in pages}
    saying = {name for name, text in texts.items() if "not on PyPI yet" in text}
    assert saying == (set() if released else set(arguments))


def test_the_versions_page_names_what_is_tested() -> None:
    page = (TREE / "docs" / "airflow-versions.md").read_text()
    rows = re.findall(r"^\| (\d\.\d+) \| ([\d., to]+) \| ([\d.b]+)(?:, a pre-release)? \|$", page, re.M)
    pinned = re.findall(r"apache-airflow==([\d.b]+)$", "\n".join(tox_setting("testenv", "deps")), re.MULTILINE)
    assert [tested for *_, tested in rows] == pinned
    for project in PACKAGES.values():
        pythons = re.findall(r"Python :: (3\.\d+)", (project / "pyproject.toml").read_text())
        assert rows[-1][1] == f"{pythons[0]} to {pythons[-1]}"


def test_the_versions_page_has_the_end_of_each_version() -> None:
    page = (TREE / "docs" / "airflow-versions.md").read_text()
    ends = re.findall(r"^\| (Airflow [\d.]+|Python [\d.]+) \| (?:\d{4}-\d\d|not announced)", page, re.MULTILINE)
    for project in PACKAGES.values():
        pythons = re.findall(r"Python :: (3\.\d+)", (project / "pyproject.toml").read_text())
        assert ends == ["Airflow 2.11", "Airflow 3", *(f"Python {version}" for version in pythons)]


def tox_setting(section: str, name: str) -> list[str]:
    """The lines of a setting of ``tox.ini``."""
    settings = ConfigParser(interpolation=None)
    settings.read(TREE / "tox.ini")
    return settings[section][name].strip().splitlines()


def spread(names: str) -> Iterator[str]:
    """The names that tox makes of ``a-{b,c}, d``."""
    for name in re.split(r",\s*(?![^{]*})", names):
        head, _, rest = name.partition("{")
        middle, _, tail = rest.partition("}")
        yield from (f"{head}{one}{tail}" for one in middle.split(","))


@in_a_checkout
def test_pre_commit_runs_what_make_lint_runs() -> None:
    (hooks,) = (repository["hooks"] for repository in read_yaml(TREE / ".pre-commit-config.yaml")["repos"])
    hooked = [hook["entry"].replace(" --force-exclude", "").removeprefix(".venv/bin/") for hook in hooks]
    assert hooked == [line.removesuffix(" .") for line in tox_setting("testenv:lint-airflow3.3", "commands")]


@in_a_checkout
def test_every_action_is_pinned_to_a_commit_and_names_its_version() -> None:
    used = re.findall(r"\buses: (.*)", "".join(path.read_text() for path in sorted(WORKFLOWS.iterdir())))
    pinned = re.compile(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == ["$/.github/workflows/ci.yml"]


@in_a_checkout
def test_continuous_integration_runs_every_environment_and_a_release_waits_for_it() -> None:
    ci, release = (read_yaml(WORKFLOWS / f"{name}.yml") for name in ("ci", "release"))

    test, matrix = (ci["jobs"][name] for name in ("test", "matrix"))
    assert ".ci/run $ENVIRONMENT" in [step.get("run") for step in test["steps"]]
    assert matrix["steps"] == test["steps"]
    (label,) = (line for line in tox_setting("tox", "labels") if line.startswith("matrix = "))
    assert set(matrix["strategy"]["matrix"]["environment"]) == set(spread(label.removeprefix("matrix = ")))
    assert release["jobs"]["test"]["uses"] == "$/.github/workflows/ci.yml"
    publish = release["jobs"]["publish"]
    assert set(publish["needs"]) == {"test", "build"}
    assert publish["permissions"] == {"id-token": "write"}
    assert release["jobs"]["release"]["needs"] == "publish"
    assert release["jobs"]["release"]["permissions"] == {"contents": "write"}
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text()
