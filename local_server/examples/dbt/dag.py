"""The project in Airflow, with Cosmos: a task for each seed, model and snapshot, in one SQL session."""

from pathlib import Path

import pendulum
from airflow.sdk import DAG, setup, teardown
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import TestBehavior
from cosmos.operators.local import DbtRunOperationLocalOperator

from airflow_provider_wherobots.cosmos import WherobotsProfileMapping
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook

# [START dag]
PROJECT = Path(__file__).parent
DBT = "/opt/dbt/bin/dbt"
# Equal requests share a session. No other DAG has this number, so no other DAG has this session.
SESSION = {"runtime": "tiny", "shutdown_after_inactive_seconds": 901}
# The adapter cannot cancel a statement. At SIGINT dbt waits for its end, at SIGTERM dbt ends.
AT_KILL = {"cancel_query_on_kill": False}

profile = ProfileConfig(
    profile_name="weather",
    target_name="airflow",
    profile_mapping=WherobotsProfileMapping(
        "wherobots_default", {"catalog": "org_catalog", "schema": "weather", **SESSION}
    ),
)


@setup
def start() -> str:
    # dbt cannot send a key.
    return WherobotsSqlHook(**SESSION).start_session()


@teardown
def stop(session_id: str) -> None:
    WherobotsSqlHook().stop_session(session_id)


with DAG("weather", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), max_active_runs=1):
    session_id = start()
    deliver = DbtRunOperationLocalOperator(
        task_id="deliver",
        macro_name="deliver",
        project_dir=PROJECT,
        profile_config=profile,
        dbt_executable_path=DBT,
        **AT_KILL,
    )
    build = DbtTaskGroup(
        group_id="build",
        project_config=ProjectConfig(PROJECT, manifest_path=PROJECT / "target" / "manifest.json"),
        profile_config=profile,
        execution_config=ExecutionConfig(dbt_executable_path=DBT),
        render_config=RenderConfig(test_behavior=TestBehavior.BUILD),
        # A test of two models runs with the later one.
        operator_args={"indirect_selection": "buildable", **AT_KILL},
    )
    session_id >> deliver >> build >> stop(session_id)
# [END dag]
