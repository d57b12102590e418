#!/usr/bin/env bash
# Builds wheel and source distribution into dist/ and checks them: dev/dist.sh VENV [TAG]
# With a tag, the versions of the tag, the package and the changelog must agree. VENV has hatchling, from a lock.
set -euo pipefail

venv=$1 tag=${2:-}
python=$venv/bin/python
twine_version=6.2.0
version=$("$python" -m hatchling version)

if [ -n "$tag" ]; then
  [ "$tag" = "v$version" ] || { echo "The tag is $tag, but airflow_provider_wherobots/__init__.py says $version."; exit 1; }
  grep -qE "^## ${version//./\\.}, [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md ||
    { echo "CHANGELOG.md has no line '## $version, YYYY-MM-DD'."; exit 1; }
fi

rm -rf dist
"$python" -m hatchling build --directory dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/twine"
"$work/twine/bin/python" -m pip install --quiet --disable-pip-version-check "twine==$twine_version"
"$work/twine/bin/python" -m twine check --strict dist/*

# Each into a clean environment, without Airflow, which takes minutes: tests/packaging installs the wheel with Airflow.
for file in dist/*; do
  rm -rf "$work/clean"
  "$python" -m venv "$work/clean"
  "$work/clean/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$file"
  installed=$(cd "$work" && clean/bin/python -c 'import airflow_provider_wherobots as p
from airflow_provider_wherobots.get_provider_info import get_provider_info
assert get_provider_info()["package-name"] == "airflow-provider-wherobots"
print(p.__version__)')
  [ "$installed" = "$version" ] || { echo "$file installs version $installed."; exit 1; }
  echo "$file: installs and imports as $version"
done
