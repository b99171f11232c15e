#!/usr/bin/env bash
# npm test: sets up as `npm run up` does, then checks, unit tests, the clients' core and boots under attack.
#   npm run test:all                the slow ones (*.slow.test.ts) as well
#   npm test -- --project 'unit*'   only one part
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
scripts/setup.sh --tests
export PATH="$root/node_modules/.bin:$PATH"
all=no
if [ "${1:-}" = --all ]; then
  all=yes
  shift
fi
if [ "$#" -gt 0 ]; then exec vitest run "$@"; fi
# The boundaries are unit tests too.
scripts/check.sh --static
vitest run --project 'unit*'
vitest run --project clients
# Boots come last, two at a time: under emulation a guest wants a core for itself.
vitest run --project system
if [ "$all" = yes ]; then vitest run --project slow; fi
