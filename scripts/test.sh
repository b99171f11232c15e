#!/usr/bin/env bash
# npm test: sets up as `npm run up` does, then checks, unit tests and whole-system tests with real boots.
#   npm test -- --project unit      only one part
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
scripts/setup.sh --tests
export PATH="$root/node_modules/.bin:$PATH"
if [ "$#" -gt 0 ]; then exec vitest run "$@"; fi
scripts/check.sh
# Boots come last, two at a time: under emulation a guest wants a core for itself.
vitest run --project unit
vitest run --project clients
exec vitest run --project system
