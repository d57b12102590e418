#!/usr/bin/env bash
# Locks requirements/airflow-LINE.in into airflow-LINE.txt, for every Python from 3.11 on: dev/lock.sh VENV LINE LIMIT
# With LINE "unit", "at-size", "official" or "local" it locks requirements/LINE.in into LINE.txt: "unit" without the packages' own
# dependencies, "official" without those of the local server, "local" with those of the server and its extras only.
# "local-lowest" locks local.in with the oldest version of each dependency of the server.
# LIMIT is a constraint file of Airflow (a path or an address), or a date: then nothing uploaded later is used, or "none".
set -euo pipefail

venv=$1 line=$2 limit=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

limits=()
case $limit in
  none) ;;
  20??-??-??) limits=(--exclude-newer "$limit") ;;
  http*) curl -fsSL "$limit" -o "$work/constraints" ;;
  *) cp "$limit" "$work/constraints" ;;
esac
if [ -f "$work/constraints" ]; then
  # Airflow's files are for Python 3.12, and this version of numpy does not support 3.11.
  sed -E 's/^(numpy==2\.5[0-9.]*)$/\1 ; python_version >= "3.12"/' "$work/constraints" > "$work/constraints.txt"
  limits=(-c "$work/constraints.txt")
fi
if [ "$line" = local-lowest ]; then
  grep -oE '"[a-z0-9-]+>=[0-9.]+' local_server/pyproject.toml | grep -v hatchling | sed 's/"//; s/>=/==/' > "$work/lowest.txt"
  limits=(-c "$work/lowest.txt")
fi
server=local_server/pyproject.toml
case $line in
  unit) sources=() ;;
  official) sources=(pyproject.toml) ;;
  local | local-lowest) sources=(--all-extras "$server") ;;
  *) sources=(pyproject.toml "$server") ;;
esac
case $line in
  unit | at-size | official) input=$line name=$line ;;
  local | local-lowest) input=local name=$line ;;
  *) input=airflow-$line name=airflow-$line ;;
esac
sources+=("requirements/$input.in") target=requirements/$name.txt
echo "Locking $target under $limit ..."
dev/uv.sh "$venv" pip compile --quiet ${UPGRADE---upgrade} --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-find-links "${sources[@]}" "${limits[@]}" -o "$target"
