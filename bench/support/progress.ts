const begun = performance.now()

/** Prints a benchmark's next step on standard error: standard output has only figures. */
export function step(text: string): void {
  process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)
}
