"""Sphinx settings: ``make docs`` builds these pages with warnings as errors, and needs no network."""

from airflow_provider_wherobots import __version__

project = "airflow-provider-wherobots"
copyright = "2026, the authors of airflow-provider-wherobots"
release = version = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
# The source folder is the whole checkout, so that a link between pages is the same here and there.
root_doc = "docs/index"
include_patterns = ["CHANGELOG.md", "docs/*.md", "local_server/*.md", "local_server/docs/*.md"]
exclude_patterns = [".*", "docs/_build"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"airflow-provider-wherobots {release}"
html_show_sourcelink = False
html_copy_source = False
