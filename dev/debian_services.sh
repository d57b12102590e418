#!/usr/bin/env bash
# Installs PostgreSQL and Redis from Debian's packages if they are missing: dev/debian_services.sh
# Only the programs are used: the tests start servers of their own, and no service is left running.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null || {
  echo "These are missing, and there is no apt-get to install them: ${missing[*]}. Install PostgreSQL 13 or newer and Redis." >&2
  exit 1
}
if ((EUID != 0)); then
  echo "These Debian packages are missing: ${missing[*]}. Only root can install them: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing Debian's ${missing[*]} ..."
# The package would start a server, which nothing here needs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
