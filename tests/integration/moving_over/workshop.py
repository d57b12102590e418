"""In the style of the workshop DAGs: an asset as schedule, an upstream output within the arguments, a chain of runs."""

from datetime import datetime

from airflow.sdk import Asset, dag, task
from airflow_providers_wherobots.operators.run import WherobotsRunOperator
from wherobots.db import Region, Runtime

S3_URI = "s3://lake/scripts"
CATALOG = "org_catalog"
LOOKBACK_MONTHS = 3
STAMP = "{{ dag_run.run_after.strftime('%Y%m%dT%H%M%S') }}"


@dag(
    dag_id="moving_over_workshop",
    schedule=[Asset("s3://lake/hail/raw")],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"wait_post_run_logs_timeout_seconds": 1},
)
def hail_catalog() -> None:
    @task
    def newest_day() -> str:
        return "2026-05-31"

    load = WherobotsRunOperator(
        task_id="load_hail",
        wherobots_conn_id="wherobots_default",
        name=f"load_hail_{STAMP}",
        runtime=Runtime.TINY,
        region=Region.AWS_US_WEST_2,
        run_python={
            "uri": f"{S3_URI}/load_hail.py",
            "args": ["--catalog", CATALOG, "--end-date", newest_day(), "--lookback-months", str(LOOKBACK_MONTHS)],
        },
        environment={"dependencies": [{"libraryName": "made_up_hail", "libraryVersion": "1.2"}]},
        poll_logs=True,
    )
    summarise = WherobotsRunOperator(
        task_id="summarise",
        wherobots_conn_id="wherobots_default",
        name=f"summarise_{STAMP}",
        runtime=Runtime.TINY,
        region=Region.AWS_US_WEST_2,
        run_python={"uri": f"{S3_URI}/summarise.py", "args": ["--catalog", CATALOG]},
        poll_logs=True,
    )
    load >> summarise


hail_catalog()
