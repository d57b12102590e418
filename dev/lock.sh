#!/usr/bin/env bash
# Locks requirements/airflow-LINE.in into airflow-LINE.txt, for every Python from 3.11 on: dev/lock.sh VENV LINE LIMIT
# With LINE "official" it locks requirements/official.in into official.txt, and with LINE "unit" unit.in into unit.txt,
# the latter without the package's own dependencies.
# LIMIT is a constraint file of Airflow (a path or an address), or a date: then nothing uploaded later is used.
set -euo pipefail

venv=$1 line=$2 limit=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $limit in
  20??-??-??) limits=(--exclude-newer "$limit") ;;
  http*) curl -fsSL "$limit" -o "$work/constraints" ;;
  *) cp "$limit" "$work/constraints" ;;
esac
if [ -f "$work/constraints" ]; then
  # Airflow's files are for Python 3.12, and this version of numpy does not support 3.11.
  sed -E 's/^(numpy==2\.5[0-9.]*)$/\1 ; python_version >= "3.12"/' "$work/constraints" > "$work/constraints.txt"
  limits=(-c "$work/constraints.txt")
fi
sources=(--extra local pyproject.toml "requirements/airflow-$line.in") target=requirements/airflow-$line.txt
case $line in
  official) sources=(pyproject.toml requirements/official.in) target=requirements/official.txt ;;
  unit) sources=(requirements/unit.in) target=requirements/unit.txt ;;
esac
echo "Locking $target under $limit ..."
dev/uv.sh "$venv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-find-links "${sources[@]}" "${limits[@]}" -o "$target"
