#!/usr/bin/env bash
# Builds the wheels and source distributions of both packages into dist/, each package with an SBOM, and checks them:
# dev/dist.sh [TAG]. Both have one version. With a tag, it and the changelogs must agree too. Needs uv.
set -euo pipefail

tag=${1:-}
folders=(. local_server)
dist=$PWD/dist
pins=$PWD/requirements
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$dist"

# One commit gives the same bytes everywhere: hatchling is the pinned one, and the files have the time of the commit.
# In a container, another user may own the checkout.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$PWD" log -1 --format=%ct)}
build() {
  uv build --quiet --build-constraint "$pins/tools.txt" --out-dir "$2" "$1"
}
for folder in "${folders[@]}"; do
  build "$folder" "$dist"
done

version=$(basename "$dist"/airflow_provider_wherobots-*.tar.gz .tar.gz)
version=${version#*-}
[ -e "$dist/wherobots_local-$version.tar.gz" ] || { echo "The provider has the version $version, the server another."; exit 1; }
[ -z "$tag" ] || [ "$tag" = "v$version" ] || { echo "The tag is $tag, but the version is $version."; exit 1; }
for folder in "${folders[@]}"; do
  [ -z "$tag" ] || grep -qE "^## ${version//./\\.}, [0-9]{4}-[0-9]{2}-[0-9]{2}$" "$folder/CHANGELOG.md" ||
    { echo "$folder/CHANGELOG.md has no line '## $version, YYYY-MM-DD'."; exit 1; }
done

# The second build: from the source distributions, later, in another folder and time zone, with other permissions.
for sdist in "$dist"/*.tar.gz; do
  (
    umask 077
    export TZ=Pacific/Apia
    tar --extract --no-same-permissions --file "$sdist" --directory "$work"
    build "$work/$(basename "$sdist" .tar.gz)" "$work/again"
  )
done
for file in "$dist"/*; do
  cmp "$file" "$work/again/$(basename "$file")" || { echo "Two builds of $(basename "$file") differ."; exit 1; }
done
uvx --quiet twine@6.2.0 check --strict "$dist"/*

# check_wheel WHEEL FOLDER PYTHON LIMITS…: installs the wheel with what it depends on, in the versions of the tests, into a clean
# environment, and writes its SBOM. The Python prints the version. tests/packaging installs it with each Airflow.
check_wheel() {
  uv venv --quiet --clear --python "${PYTHON:-python3}" "$work/clean"
  uv pip install --quiet --python "$work/clean" "${@:4}" "$1[sql]"
  installed=$(cd "$work" && clean/bin/python -c "$3")
  [ "$installed" = "$version" ] || { echo "$1 installs version $installed."; exit 1; }
  # The SBOM takes the version from here.
  sed "s/^dynamic = .*/version = \"$version\"/" "$2/pyproject.toml" > "$work/pyproject.toml"
  uvx --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment --output-reproducible --mc-type library \
    --pyproject "$work/pyproject.toml" --output-file "${1%-py3-none-any.whl}.cdx.json" "$work/clean"
  echo "$1: installs and imports as $version"
}
check_wheel "$dist"/airflow_provider_wherobots-*.whl . 'import airflow_provider_wherobots as p
from airflow_provider_wherobots.get_provider_info import get_provider_info
assert get_provider_info()["package-name"] == "airflow-provider-wherobots"
print(p.__version__)' -c "$pins/constraints/airflow-3.3.1.txt" -c "$pins/tools.txt" apache-airflow==3.3.1
check_wheel "$dist"/wherobots_local-*.whl local_server 'import subprocess, sys
print(subprocess.check_output([sys.prefix + "/bin/wherobots-local", "--version"], text=True).split()[1])' \
  -c "$pins/server.txt"
