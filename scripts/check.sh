#!/usr/bin/env bash
# Types, lint, format and boundaries, checked before CI runs any test. The parts run in parallel.
#   --static   without the boundaries
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
export PATH="$root/node_modules/.bin:$PATH"
# Compiler and linter are Go programs that soon end: without garbage collection they use a quarter less processor time.
export GOGC=off GOMEMLIMIT=3GiB
said=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$said"' EXIT

begin() {
  local name=$1
  shift
  "$@" >"$said/$name" 2>&1 &
  parts[$name]=$!
}

# Unchanged files are not checked again: the compiler compares the content of every file and its own version.
checked=.cache/types
mkdir -p "$checked"
types() { tsc -p "$1" --incremental --tsBuildInfoFile "$checked/${2:-$(basename "$1")}.tsbuildinfo"; }

# Browser code is compiled without Node's types: its packages as one program, and the portal with a bundler's resolution.
browser_types() { types tsconfig.browser.json browser && types apps/portal; }

declare -A parts=()
begin lint oxlint --type-aware
# Node's code and the tests are one program, so that nothing is checked twice.
begin types types . node
begin browser-types browser_types
begin format oxfmt --check
# Dependencies, files and exports that nothing uses.
begin unused knip --no-progress --no-config-hints
# The bindings of all stores' columns need databases: npm test checks them with the unit tests.
boundaries=(vitest run --project unit-shared test/boundaries --exclude '**/stores.test.ts')
if [ "${1:-}" != --static ]; then begin boundaries "${boundaries[@]}"; fi

failed=()
for name in format unused browser-types types lint boundaries; do
  if [ -z "${parts[$name]:-}" ]; then continue; fi
  if wait "${parts[$name]}"; then
    echo "$name: ok"
  else
    failed+=("$name")
    cat "$said/$name"
    echo "$name: failed"
  fi
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "check: failed: ${failed[*]}" >&2
  exit 1
fi
