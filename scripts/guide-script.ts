/** The script keeps its exit code, and ends what it started. */
const ending = `trap 'code=$?; for job in $(jobs -p); do kill $job || :; done; wait; exit $code' EXIT`

/** The command blocks of a guide, as one script. */
export const scriptOf = (page: string): string =>
  [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? '').join('\n')

/** A script for bash that stops at the first command that fails, and ends its background processes when it ends. */
export const guarded = (script: string): string => `set -eEuo pipefail\n${ending}\n${script}`
