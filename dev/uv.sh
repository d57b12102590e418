#!/usr/bin/env bash
# Runs the uv of a virtualenv with pip's settings for mirrors, proxies and certificates: dev/uv.sh VENV ARGUMENT...
# uv reads no pip configuration. Its own settings take precedence.
set -euo pipefail

venv=$1
shift
setting() { "$venv/bin/python" -m pip config get "$1" 2>/dev/null || true; }
hand_over() {
  local name=$1 value=$2
  [ -z "$value" ] || export "$name=${!name:-$value}"
}
hand_over UV_DEFAULT_INDEX "${PIP_INDEX_URL:-$(setting global.index-url)}"
hand_over UV_INDEX "${PIP_EXTRA_INDEX_URL:-$(setting global.extra-index-url)}"
# pip, through requests, also uses the certificates in these two variables.
hand_over SSL_CERT_FILE "${PIP_CERT:-${REQUESTS_CA_BUNDLE:-${CURL_CA_BUNDLE:-$(setting global.cert)}}}"
# pip trusts the system's certificates, so a company's certificates are often only there. Older versions of uv call
# this UV_NATIVE_TLS.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-${UV_NATIVE_TLS:-true}}
unset UV_NATIVE_TLS
hand_over HTTPS_PROXY "${PIP_PROXY:-$(setting global.proxy)}"
# Use only the Pythons of this machine.
export UV_PYTHON_DOWNLOADS=never
export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
exec "$venv/bin/uv" "$@"
