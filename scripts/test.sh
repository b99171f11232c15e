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
# Boots run beside the others: neither keeps two cores busy by itself. What they say is shown when they have ended.
said=$(mktemp)
vitest run --project system >"$said" 2>&1 &
boots=$!
trap 'if [ -n "$boots" ]; then kill -INT "$boots" && wait "$boots" || true; fi; rm -f "$said"' EXIT
failed=()
vitest run --project 'unit*' --project clients || failed+=('unit tests and clients')
echo 'test: waiting for the boots'
wait "$boots" || failed+=(boots)
boots=
cat "$said"
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'test: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
if [ "$all" = yes ]; then vitest run --project slow; fi
