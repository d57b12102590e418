#!/usr/bin/env bash
# Makes a virtualenv from a lock file: dev/venv.sh PYTHON VENV LOCK
# uv does it in seconds; where uv cannot be had or cannot reach the index, pip does the same from the same lock.
set -euo pipefail

python=$1 venv=$2 lock=$3
uv_version=0.13.9

with_uv() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" || return 1
  dev/uv.sh "$venv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes -r "$lock"
}

with_pip() {
  # The lock is complete; pip, left to look at dependencies, would want their extras pinned as well.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
}

echo "Making $venv from $lock with $("$python" --version) ..."
rm -rf "$venv"
"$python" -m venv "$venv"
with_uv || { echo "uv could not install the lock; installing it with pip"; with_pip; }
