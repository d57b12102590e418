#!/usr/bin/env bash
# Makes a virtualenv from a lock file: dev/venv.sh PYTHON VENV LOCK
# uv does it in seconds; where uv cannot be had or cannot reach the index, pip does the same from the same lock.
set -euo pipefail

python=$1 venv=$2 lock=$3
uv_version=0.13.9

# uv reads no pip configuration: hand over what a company mirror needs, unless uv has been told already.
hand_over_pip_settings() {
  local setting value
  setting() { "$venv/bin/python" -m pip config get "$1" 2>/dev/null || true; }
  value=${PIP_INDEX_URL:-$(setting global.index-url)}
  [ -z "$value" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$value}
  value=${PIP_EXTRA_INDEX_URL:-$(setting global.extra-index-url)}
  [ -z "$value" ] || export UV_INDEX=${UV_INDEX:-$value}
  value=${PIP_CERT:-$(setting global.cert)}
  [ -z "$value" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$value}
  value=${PIP_PROXY:-$(setting global.proxy)}
  [ -z "$value" ] || export HTTPS_PROXY=${HTTPS_PROXY:-$value}
  export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
}

with_uv() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" || return 1
  hand_over_pip_settings
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes -r "$lock"
}

with_pip() {
  # The lock is complete; pip, left to look at dependencies, would want their extras pinned as well.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
}

echo "Making $venv from $lock with $("$python" --version) ..."
rm -rf "$venv"
"$python" -m venv "$venv"
with_uv || { echo "uv did not manage; going on with pip"; with_pip; }
