"""The tests notice a package that is not the installed wheel."""

import sys
from pathlib import Path

import pytest

from tests.support.installed import PACKAGES, imported_from_elsewhere


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_in_a_checkout_is_imported_from_elsewhere(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / package / "__init__.py"
    file.parent.mkdir()
    file.touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package, raising=False)

    assert f"{package} is imported from {file}" in imported_from_elsewhere()
