"""A function that raises on Wherobots."""

from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.smtp.notifications.smtp import SmtpNotifier

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


class Mail(SmtpNotifier):
    """Airflow's notifier, which writes the mail into a file."""

    def notify(self, context: Any) -> None:
        """Write what would be sent."""
        Path(__file__).with_name("mail.html").write_text(f"<h3>{self.subject}</h3>{self.html_content}")


alert = Mail(
    to="data@example.com",
    from_email="airflow@example.com",
    subject="{{ ti.dag_id }}.{{ ti.task_id }} failed",
    html_content="<pre>{{ exception | default('The worker process crashed') | e }}</pre>",
)


@task.wherobots(runtime="tiny", on_failure_callback=alert)
def population(name: str) -> int:
    """Return how many people live in a place."""
    places = {"Andermatt": 1_571, "Zermatt": 5_820}
    print(f"{len(places)} places loaded")
    return places[name]


START = pendulum.datetime(2026, 1, 1, tz="UTC")

with DAG("places", schedule=None, start_date=START, params={"place": "Atlantis"}):
    population("{{ params.place }}")
