#!/usr/bin/env bash
# npm test: sets up as `npm run up` does, then checks, unit tests, the clients' core and boots under attack.
#   npm run test:all                    the slow ones (*.slow.test.ts) as well
#   npm run test:all -- --shard 1/2     and of these one half
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
# What is tried on both engines runs on SQLite alone, but for attacks; test:all tries all of it on Postgres too.
names=(--testNamePattern '^(?!.* on postgres > )|\(attacks? ')
if [ "$all" = yes ]; then names=(); fi
vitest run --project 'unit*' --project clients "${names[@]}"
# Boots come last, two at a time: under emulation a guest wants a core for itself.
vitest run --project system
if [ "$all" = yes ]; then vitest run --project slow "${shard[@]}"; fi
