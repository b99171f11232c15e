#!/usr/bin/env bash
# npm test: sets up as `npm run up` does, then runs checks, unit tests, the clients' core and boots under attack.
#   npm run test:all                    also the slow tests (*.slow.test.ts)
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
# The boundaries are unit tests too.
scripts/check.sh --static
# Tests for both engines run only on SQLite, except attacks; test:all runs all of them on Postgres too.
names=(--testNamePattern '^(?!.* on postgres > )|\(attacks? ')
if [ "$all" = yes ]; then names=(); fi
vitest run --project 'unit*' --project clients "${names[@]}"
# Boots come last, two at a time: under emulation each guest needs a core.
vitest run --project system
if [ "$all" = yes ]; then vitest run --project slow "${shard[@]}"; fi
