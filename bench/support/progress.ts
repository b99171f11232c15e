const begun = performance.now()

/** Says on standard error what a benchmark does from here on: figures alone go to standard output. */
export function step(text: string): void {
  process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)
}
