"""Responses in the service's recorded shapes, from ``shapes.json``.

Those of 2026 are as the OpenAPI description of 2026-07 has them, those of 2024 as the documentation of 2024-09 shows
them.
"""

import json
from pathlib import Path
from typing import Any

_SHAPES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text())

RUN_2026 = _SHAPES["RUN_2026"]
RUN_2024 = _SHAPES["RUN_2024"]
LOGS_2026 = _SHAPES["LOGS_2026"]
LOGS_2024 = _SHAPES["LOGS_2024"]
ERROR_BODY = _SHAPES["ERROR_BODY"]
ERROR_BODY_WITH_FIELD = _SHAPES["ERROR_BODY_WITH_FIELD"]
METRICS = _SHAPES["METRICS"]
