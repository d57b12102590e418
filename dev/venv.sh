#!/usr/bin/env bash
# Creates a virtualenv from a lock file: dev/venv.sh PYTHON VENV LOCK
# uv takes seconds. If uv cannot be installed or cannot reach the index, pip installs the same lock.
set -euo pipefail

python=$1 venv=$2 lock=$3
uv_version=0.13.9

with_uv() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" || return 1
  dev/uv.sh "$venv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes -r "$lock"
}

with_pip() {
  # The lock is complete. Without --no-deps pip would require hashes for the extras of dependencies too.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
}

echo "Making $venv from $lock with $("$python" --version) ..."
rm -rf "$venv"
"$python" -m venv "$venv"
with_uv || { echo "uv could not install the lock; installing it with pip"; with_pip; }
