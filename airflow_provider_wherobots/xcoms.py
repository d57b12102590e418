"""The keys of the XComs that a task pushes."""

from __future__ import annotations

RUN_ID_KEY = "run_id"
"""The run's id, pushed as soon as the run is created or re-attached to."""
RUN_URL_KEY = "run_url"
"""The run's address, pushed as soon as the run is created or re-attached to."""
SPARK_UI_URL_KEY = "spark_ui_url"
"""The address of the run's Spark UI, pushed as soon as it is known. Also a key of the summary."""
RUN_SUMMARY_KEY = "run_summary"
"""The fields of ``RunSummary``, pushed when the run has ended, whatever its status."""
DEFERRED_TRY_KEY = "deferred_try"
"""The number of the try that deferred last. Only on Airflow 3.0 and 3.1.0, which do not keep it."""
