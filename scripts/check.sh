#!/usr/bin/env bash
# Types, lint, format and boundaries: what CI refuses before any test runs.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
export PATH="$root/node_modules/.bin:$PATH"
for project in packages/* services/* apps/*; do
  echo "types: $project"
  tsc -p "$project"
done
echo "types: tests"
tsc -p tsconfig.tests.json
echo "lint"
oxlint --type-aware
echo "format"
oxfmt --check
echo "boundaries"
vitest run --project unit test/boundaries
