#!/usr/bin/env bash
# Locks requirements/airflow-LINE.in into airflow-LINE.txt, for every Python from 3.11 on: dev/lock.sh VENV LINE LIMIT
# With LINE "unit", "at-size" or "official" it locks requirements/LINE.in into LINE.txt: "unit" without the package's own
# dependencies, "official" without those of the local server.
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
case $line in
  unit) sources=() ;;
  official) sources=(pyproject.toml) ;;
  *) sources=(--extra local pyproject.toml) ;;
esac
case $line in
  unit | at-size | official) name=$line ;;
  *) name=airflow-$line ;;
esac
sources+=("requirements/$name.in") target=requirements/$name.txt
echo "Locking $target under $limit ..."
dev/uv.sh "$venv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-find-links "${sources[@]}" "${limits[@]}" -o "$target"
