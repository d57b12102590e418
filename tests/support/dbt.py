"""The page about dbt, its example project, and the programs that it installs."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.places import TREE

EXAMPLE = TREE / "local_server" / "examples" / "dbt"
PAGE = (TREE / "docs" / "dbt.md").read_text()


def install_dbt(uv: Callable[..., str], environment: Path) -> Path:
    """Install what the page installs into an environment of its own, and return the folder of its programs."""
    (install,) = re.findall(r"^pip --quiet install (.*)$", PAGE, re.MULTILINE)
    uv("venv", "--quiet", "--python", sys.executable, environment)
    uv("pip", "install", "--quiet", "--python", environment / "bin" / "python", *shlex.split(install))
    return environment / "bin"
