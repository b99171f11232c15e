#!/usr/bin/env bash
# Types, lint, format and boundaries: what CI refuses before any test runs. The parts run side by side.
#   --static   without the boundaries
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
export PATH="$root/node_modules/.bin:$PATH"
said=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$said"' EXIT

begin() {
  local name=$1
  shift
  "$@" >"$said/$name" 2>&1 &
  parts[$name]=$!
}

# What was checked before and is as it was is not checked again: the compiler compares the content of every file and its own version.
checked=.cache/types
mkdir -p "$checked"
types() { tsc -p "$1" --incremental --tsBuildInfoFile "$checked/${2:-$(basename "$1")}.tsbuildinfo"; }

# What is to run in a browser knows nothing of Node.
browser_types() {
  local project
  for project in packages/{contract,der,evidence,policy,release-policy,transparency,trust} apps/portal; do types "$project"; done
}

declare -A parts=()
begin lint oxlint --type-aware
# All that runs in Node is one program with the tests, so that nothing is checked twice.
begin types types . node
begin browser-types browser_types
begin format oxfmt --check
# Dependencies, files and exports that nothing uses.
begin unused knip --no-progress --no-config-hints
# What the columns of all stores are bound to is tried on databases: npm test does, with the units.
boundaries=(vitest run --project unit-shared test/boundaries --exclude '**/stores.test.ts')
if [ "${1:-}" != --static ]; then begin boundaries "${boundaries[@]}"; fi

failed=()
for name in format unused browser-types types lint boundaries; do
  if [ -z "${parts[$name]:-}" ]; then continue; fi
  if wait "${parts[$name]}"; then
    echo "$name: right"
  else
    failed+=("$name")
    cat "$said/$name"
    echo "$name: refused"
  fi
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "check: refused by ${failed[*]}" >&2
  exit 1
fi
