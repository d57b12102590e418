"""Repeats a pass over tiles until nothing changes: in the end burnt tiles that touch each other have one label.

The file is below the local server's root, so it runs only there. Before Airflow 3.4 a DAG run makes one pass.
"""

from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:  # Airflow 2.11
    from airflow.decorators import task, task_group  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


@task.wherobots
def pass_labels_on(labels: str) -> int:
    """Give each tile the lowest label next to it, and return how many have another label now."""
    import json
    import os
    from pathlib import Path

    tiles: dict[str, int]
    file = Path(os.environ["WHEROBOTS_LOCAL_ROOT"], labels)
    if file.exists():
        tiles = json.loads(file.read_text())
    else:
        burnt = ["##..#", ".#..#", ".#.##"]
        tiles = {f"{x},{y}": 5 * y + x for y, row in enumerate(burnt) for x, tile in enumerate(row) if tile == "#"}
    passed = {}
    for place, label in tiles.items():
        x, y = map(int, place.split(","))
        beside = (f"{x - 1},{y}", f"{x + 1},{y}", f"{x},{y - 1}", f"{x},{y + 1}")
        passed[place] = min(label, *(tiles.get(each, label) for each in beside))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(passed))
    changed = sum(passed[place] != tiles[place] for place in tiles)
    print(f"{changed} of {len(tiles)} tiles have another label")
    return changed


def nothing_changes(*, loop: Any) -> bool:
    """Whether the last pass has changed nothing."""
    return bool(loop.result == 0)


with DAG(
    "example_wherobots_loop",
    description="Repeats a pass over tiles until nothing changes",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"labels": "wherobots-demo/results/labels.json"},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):

    @task_group
    def one_pass() -> Any:
        """The body of the loop: its last result decides whether there is another pass."""
        return pass_labels_on("{{ params.labels }}")

    body: Any = one_pass
    if hasattr(body, "loop"):
        body.loop(until=nothing_changes, max_iterations=20)
    else:  # before Airflow 3.4
        body()
