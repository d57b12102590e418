"""What stands in both packages, because neither imports the other, is the same."""

import airflow_provider_wherobots
import wherobots_local
from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES
from wherobots_local.api import errors as vocabulary


def test_both_have_the_version_of_the_release() -> None:
    assert wherobots_local.__version__ == airflow_provider_wherobots.__version__


def test_the_server_knows_the_runtimes_that_the_connection_form_offers() -> None:
    names_of_earlier_versions = ("TINY", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE")
    assert (*RUNTIMES, *names_of_earlier_versions) == vocabulary.RUNTIMES
