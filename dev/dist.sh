#!/usr/bin/env bash
# Builds the wheels and source distributions of both packages into dist/ and checks them: dev/dist.sh [TAG]
# Both have one version. With a tag, it and the changelogs must agree too. Needs uv.
set -euo pipefail

tag=${1:-}
folders=(. local_server)
dist=$PWD/dist
rm -rf "$dist"
for folder in "${folders[@]}"; do
  uv build --quiet --out-dir "$dist" "$folder"
done

version=$(basename "$dist"/airflow_provider_wherobots-*.tar.gz .tar.gz)
version=${version#*-}
[ -e "$dist/wherobots_local-$version.tar.gz" ] || { echo "The provider has the version $version, the server another."; exit 1; }
[ -z "$tag" ] || [ "$tag" = "v$version" ] || { echo "The tag is $tag, but the version is $version."; exit 1; }
for folder in "${folders[@]}"; do
  [ -z "$tag" ] || grep -qE "^## ${version//./\\.}, [0-9]{4}-[0-9]{2}-[0-9]{2}$" "$folder/CHANGELOG.md" ||
    { echo "$folder/CHANGELOG.md has no line '## $version, YYYY-MM-DD'."; exit 1; }
done
uvx --quiet twine@6.2.0 check --strict "$dist"/*

# Each into a clean environment: the server with its dependencies, the provider without Airflow.
# tests/packaging installs that with Airflow.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$dist"/*; do
  uv venv --quiet --clear --python "${PYTHON:-python3}" "$work/clean"
  case $file in
    */wherobots_local*) options=() check='import subprocess, sys
print(subprocess.check_output([sys.prefix + "/bin/wherobots-local", "--version"], text=True).split()[1])' ;;
    *) options=(--no-deps) check='import airflow_provider_wherobots as p
from airflow_provider_wherobots.get_provider_info import get_provider_info
assert get_provider_info()["package-name"] == "airflow-provider-wherobots"
print(p.__version__)' ;;
  esac
  uv pip install --quiet --python "$work/clean" "${options[@]}" "$file"
  installed=$(cd "$work" && clean/bin/python -c "$check")
  [ "$installed" = "$version" ] || { echo "$file installs version $installed."; exit 1; }
  echo "$file: installs and imports as $version"
done
