#!/usr/bin/env bash
# Runs test files that failed once more, by the list that test/failures.ts wrote, when nothing else runs. Of a machine that was too
# busy there are few; more than three files, or a failure outside of a test, is a defect, and so is one that is there again.
set -euo pipefail
mapfile -t files < <(cut -f 1,2 "$1" | sort -u)
if [ "${#files[@]}" -eq 0 ] || [ "${#files[@]}" -gt 3 ]; then exit 1; fi
for each in "${files[@]}"; do
  project=${each%%$'\t'*} file=${each#*$'\t'}
  if [ -z "$file" ]; then exit 1; fi
  vitest run --project "$project" "$file"
done
