#!/usr/bin/env bash
# Runs .ci/run again and again on one commit, each time in a fresh clone, and writes a table: dev/runs.sh [COMMIT].
# The first ten runs have the machine for themselves. The next ten share it with two busy loops, and vary what must not
# matter: no terminal (nohup), the time zone, the locale and the order of the tests. QUIET and BUSY are other numbers of
# runs. A red run ends it, and its clone stays: once the cause is mended the count begins again. A run takes ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse --short=12 "${1:-HEAD}")
quiet=${QUIET:-10}
busy=${BUSY:-10}
folder=$PWD/build/runs/$commit
zones=(Asia/Kathmandu America/St_Johns Pacific/Kiritimati Pacific/Pago_Pago)
loops=()
trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT

rm -rf "$folder"
mkdir -p "$folder"
printf '%s\n' "Runs of \`.ci/run\` of $commit" "" "| run | conditions | result | minutes |" "|---|---|---|---|" > "$folder/table.md"
for ((number = 1; number <= quiet + busy; number++)); do
  git clone --quiet . "$folder/clone"
  git -C "$folder/clone" checkout --quiet "$commit"
  conditions=quiet
  command=(.ci/run)
  if ((number > quiet)); then
    # The seed of the order.
    seed=$RANDOM
    zone=${zones[number % ${#zones[@]}]}
    conditions="two busy loops, nohup, TZ=$zone, LC_ALL=C, order $seed"
    command=(env "TZ=$zone" LC_ALL=C "ARGS=-p tests.support.random_order --random-order $seed" nohup .ci/run)
    for _ in 1 2; do
      while :; do :; done &
      loops+=($!)
    done
  fi
  SECONDS=0
  result=green
  (cd "$folder/clone" && "${command[@]}") > "$folder/$number.log" 2>&1 < /dev/null || result=red
  kill "${loops[@]}" 2>/dev/null || true
  loops=()
  echo "| $number | $conditions | $result | $((SECONDS / 60)):$(printf %02d $((SECONDS % 60))) |" | tee -a "$folder/table.md"
  if [ $result = red ]; then
    echo "See $folder/$number.log and $folder/clone"
    exit 1
  fi
  rm -rf "$folder/clone"
done
