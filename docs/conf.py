"""Sphinx settings: ``make docs`` builds these pages with warnings as errors, and needs no network."""

import os
import tempfile

# autodoc imports Airflow. A temporary home, so that no airflow.cfg of this machine is read.
_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from airflow_provider_wherobots import __version__  # noqa: E402

project = "airflow-provider-wherobots"
copyright = "2026, the authors of airflow-provider-wherobots"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# Links to the documentation of Python, Airflow and other libraries would need the network.
nitpick_ignore_regex = [
    ("py:.*", r"(?!(airflow_provider_wherobots|wherobots_local)\b).*"),
    # Base classes of operators, sensors, triggers, links and options, which are not part of the public interface.
    ("py:class", r".*\.(CreatesRun|FollowsRun|WherobotsTask|SqlTask|StoredOptions)"),
    ("py:class", r".*\.(GuardedTrigger|StoredAddressLink)"),
    # What stands between the parts of the DB-API connection.
    ("py:.*", r".*\.(WorkerIo|Io|Flow|StatementOutcome|SqlSession|Writes)"),
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"show-inheritance": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# "On this page" is narrow.
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"airflow-provider-wherobots {release}"
html_show_sourcelink = False
html_copy_source = False
