#!/usr/bin/env bash
# npm test: sets up as `npm run up` does, then runs checks, unit tests, the clients' core and boots under attack.
#   npm run test:all                    also the slow tests (*.slow.test.ts), and every case of the long loops
#   npm run test:all -- --shard 1/2     half of the slow tests
#   npm test -- --project 'unit*'       only one part
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
scripts/setup.sh --tests
export PATH="$root/node_modules/.bin:$PATH"
all=no shard=()
if [ "${1:-}" = --all ]; then
  all=yes
  shift
  if [ "${1:-}" = --shard ]; then
    shard=(--shard "$2")
    shift 2
  fi
fi
if [ "$#" -gt 0 ]; then exec vitest run "$@"; fi
# Tests for both engines run only on SQLite, except attacks; test:all runs all of them on Postgres too.
names=(--testNamePattern '^(?!.* on postgres > )|\(attacks? ')
if [ "$all" = yes ]; then names=(); else export STRONGROOM_TEST_CASES=few; fi

# Boots run beside the others and first: neither keeps all cores busy. What they print is shown when they have ended.
work=$(mktemp -d) boots= memory=
clean() {
  if [ -n "$boots" ]; then kill "$boots" 2>/dev/null && wait "$boots" || true; fi
  rm -rf "$work" "$memory"
}
trap clean EXIT
# Each run lists what failed in a file of its own (test/failures.ts).
tests() { STRONGROOM_TEST_FAILURES=$work/$1 "${beside[@]}" vitest run "${@:2}"; }
beside=()
tests boots --project system >"$work/printed" 2>&1 &
boots=$!
failed=()
# The boundaries are unit tests too.
nice -n 5 scripts/check.sh --static
# Unit tests flush thousands of small databases: in memory, where there is room and programs may run.
beside=(nice -n 5)
gibibytes=$(df --output=avail --block-size=1G /dev/shm 2>/dev/null | tail -n 1 || true)
if [ -z "${TMPDIR:-}" ] && [ "${gibibytes:-0}" -ge 8 ]; then
  # A short name: the path of a socket has at most 107 characters.
  memory=$(mktemp -d /dev/shm/XXXX)
  install -m 755 /dev/stdin "$memory/program" <<<'#!/bin/sh'
  chmod 1777 "$memory"
  if "$memory/program" 2>/dev/null; then beside=(env TMPDIR="$memory" "${beside[@]}"); fi
fi
tests units --project 'unit*' --project clients "${names[@]}" || failed+=(units)
beside=()
echo 'test: waiting for the boots'
wait "$boots" || failed+=(boots)
boots=
cat "$work/printed"
if [ "$all" = yes ]; then tests slow --project slow "${shard[@]}" || failed+=(slow); fi

# Last, for whoever keeps only the end of the log.
for run in "${failed[@]}"; do
  printf 'test: failed: %s\n' "$run" >&2
  if [ -e "$work/$run" ]; then sed 's/\t/ /g' "$work/$run" >&2; fi
done
[ "${#failed[@]}" -eq 0 ]
