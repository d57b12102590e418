"""Changes each decision in a copy of the checkout, and prints the changes that no test notices.

``python -m dev.mutants unit|airflow [names]`` tries one group of modules, with the tests that cover it.

The copy is below ``build/mutants``. What was tried in it is not tried again until the code changes. Names are those of
mutmut, such as ``airflow_provider_wherobots.sql.*``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from fnmatch import fnmatch

from tests.support.places import CHECKOUT

GROUPS = {
    "unit": (
        ["flows/*", "runs/*", "words.py", "logs/*", "sql/*", "api/errors.py"],
        # Hundreds of runs at once take minutes in what mutmut makes of the code.
        ["tests/unit", "--ignore=tests/unit/test_imports.py", "--ignore=tests/unit/flows/test_crowd.py"],
    ),
    "airflow": (
        ["triggers/guarded.py", "task_memory.py", "tasks/*attempt.py", "operators/*", "sensors/*", "sql/results.py"],
        [
            "tests/integration/triggers",
            "tests/integration/operators",
            "tests/integration/sensors",
            "tests/integration/hooks",
            "tests/integration/sql",
            "tests/unit/sql/test_results.py",
        ],
    ),
}
NEEDS_PANDAS = ["airflow_provider_wherobots/sql/results.py"]
PARTS = (
    "airflow_provider_wherobots",
    "tests",
    "local_server",
    "docs",
    "example_dags",
    "benchmarks",
    "README.md",
    "pyproject.toml",
)


def main(group: str, *names: str) -> None:
    """Bring the copy up to date, try the mutants, and print the survivors with what was changed."""
    modules, tests = GROUPS[group]
    patterns = [f"{PARTS[0]}/{module}" for module in modules]
    files = [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / PARTS[0]).rglob("*.py")]
    changed = [path.replace("/", ".")[:-2] for path in files if any(fnmatch(path, pattern) for pattern in patterns)]
    if names and not any(fnmatch(module, name) or name.startswith(module) for module in changed for name in names):
        print(f"None of these names is in the group {group!r}")
        return
    copy = CHECKOUT / "build" / "mutants" / group
    copy.mkdir(parents=True, exist_ok=True)
    for folder in ("airflow_provider_wherobots", "tests"):
        shutil.rmtree(copy / folder, ignore_errors=True)
    for part in PARTS:
        source, target = CHECKOUT / part, copy / part
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    with (copy / "pyproject.toml").open("a") as config:
        config.write(f"only_mutate = {patterns}\n")
        if group == "unit":
            config.write(f"do_not_mutate = {NEEDS_PANDAS}\n")
        else:
            # A process forked from one that has run tests lacks its threads, and waits for them.
            config.write('process_isolation = "forkserver"\n')
        config.write(f"pytest_add_cli_args_test_selection = {tests}\n")
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run", "--max-children", "2", *names], cwd=copy, check=True)
    listed = subprocess.run([*mutmut, "results"], cwd=copy, check=True, capture_output=True, text=True).stdout
    survivors = [line.split(":")[0].strip() for line in listed.splitlines() if "survived" in line or "no tests" in line]
    for name in survivors:
        subprocess.run([*mutmut, "show", name], cwd=copy, check=True)
    print(f"{len(survivors)} survive")


if __name__ == "__main__":
    main(*sys.argv[1:])
