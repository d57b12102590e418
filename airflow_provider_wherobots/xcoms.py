"""The XCom keys under which a task leaves something behind."""

from __future__ import annotations

RUN_ID_KEY = "run_id"
"""The run's id, pushed right after the run was created."""
RUN_URL_KEY = "run_url"
"""The run's address, pushed right after the run was created."""
SPARK_UI_URL_KEY = "spark_ui_url"
"""The address of the run's Spark UI, pushed as soon as it is known; its key in the summary too."""
RUN_SUMMARY_KEY = "run_summary"
"""The fields of ``RunSummary``, pushed when the run has ended, whatever its status."""
DEFERRED_TRY_KEY = "deferred_try"
"""The try that deferred last, where Airflow does not tell (3.0 and 3.1.0)."""
