#!/usr/bin/env bash
# Installs Redis from Debian's packages if it is missing: dev/debian_services.sh
# Only the program is used: the tests start a server of their own, and no service is left running.
set -euo pipefail

! command -v redis-server >/dev/null || exit 0

command -v apt-get >/dev/null || {
  echo "redis-server is missing, and there is no apt-get to install it. Install Redis." >&2
  exit 1
}
if ((EUID != 0)); then
  echo "Debian's package redis-server is missing. Only root can install it: sudo apt-get install redis-server" >&2
  exit 1
fi
echo "Installing Debian's redis-server ..."
# The package would start a server, which nothing here needs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
