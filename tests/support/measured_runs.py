"""Runs of the local server that have ended, reported as if they had run for ten minutes and used some of a runtime."""

from datetime import datetime, timedelta

from wherobots_local.control.client import ControlClient

POINTS = 20


def report_usage(control: ControlClient, run_id: str, cpu: float, memory: float) -> None:
    """Let Get Run and the metrics report it."""
    (view,) = (run for run in control.runs() if run["id"] == run_id)
    end = datetime.fromisoformat(view["completeTime"])
    start = end - timedelta(minutes=10)
    view |= {"createTime": start.isoformat(), "startTime": start.isoformat(), "completeTime": end.isoformat()}
    moments = [int((start + number * (end - start) / POINTS).timestamp()) for number in range(1, POINTS)]
    metrics = {
        "series_metrics": {
            f"{name}_UTILIZATION_PERCENT": {
                "display_name": name,
                "metric": {
                    "data": [{"value": value, "timestamp": moment} for moment in moments],
                    "format": "PERCENTAGE",
                },
            }
            for name, value in (("CPU", cpu), ("MEMORY", memory))
        },
        "instant_metrics": {},
    }
    for operation, body in (("getJobRun", view), ("getJobRunMetrics", metrics)):
        control.add_fault(operation, {"type": "status", "status": 200, "body": body}, run_id=run_id)
