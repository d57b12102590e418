"""Where the web console shows SQL sessions."""

from __future__ import annotations

from urllib.parse import urlsplit


def workload_history_url(api_base_url: str) -> str:
    """Address of the console's page "Workload History", which lists SQL sessions.

    No address of a single session is documented. Source: https://docs.wherobots.com/develop/workload-history
    """
    parts = urlsplit(api_base_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}/workloads"
