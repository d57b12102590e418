#!/usr/bin/env bash
# Builds the wheels and source distributions of both packages into dist/ and checks them: dev/dist.sh VENV [TAG]
# Both have one version. With a tag, it and the changelogs must agree too. VENV has hatchling, from a lock.
set -euo pipefail

tag=${2:-}
python=$PWD/$1/bin/python
twine_version=6.2.0
folders=(. local_server)
version=$("$python" -m hatchling version)

for folder in "${folders[@]}"; do
  own=$(cd "$folder" && "$python" -m hatchling version)
  [ "$own" = "$version" ] || { echo "The provider has the version $version, but $folder has $own."; exit 1; }
  [ -z "$tag" ] || grep -qE "^## ${version//./\\.}, [0-9]{4}-[0-9]{2}-[0-9]{2}$" "$folder/CHANGELOG.md" ||
    { echo "$folder/CHANGELOG.md has no line '## $version, YYYY-MM-DD'."; exit 1; }
done
[ -z "$tag" ] || [ "$tag" = "v$version" ] || { echo "The tag is $tag, but the version is $version."; exit 1; }

dist=$PWD/dist
rm -rf "$dist"
for folder in "${folders[@]}"; do
  (cd "$folder" && "$python" -m hatchling build --directory "$dist")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/twine"
"$work/twine/bin/python" -m pip install --quiet --disable-pip-version-check "twine==$twine_version"
"$work/twine/bin/python" -m twine check --strict "$dist"/*

# Each into a clean environment: the server with its dependencies, the provider without Airflow, which takes minutes.
# tests/packaging installs that with Airflow.
for file in "$dist"/*; do
  rm -rf "$work/clean"
  "$python" -m venv "$work/clean"
  case $file in
    */wherobots_local*) options=() check='import subprocess, sys
print(subprocess.check_output([sys.prefix + "/bin/wherobots-local", "--version"], text=True).split()[1])' ;;
    *) options=(--no-deps) check='import airflow_provider_wherobots as p
from airflow_provider_wherobots.get_provider_info import get_provider_info
assert get_provider_info()["package-name"] == "airflow-provider-wherobots"
print(p.__version__)' ;;
  esac
  "$work/clean/bin/python" -m pip install --quiet --disable-pip-version-check "${options[@]}" "$file"
  installed=$(cd "$work" && clean/bin/python -c "$check")
  [ "$installed" = "$version" ] || { echo "$file installs version $installed."; exit 1; }
  echo "$file: installs and imports as $version"
done
