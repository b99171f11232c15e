import { setTimeout as sleep } from 'node:timers/promises'
import { visibleJson } from '@strongroom/contract'
import { CliError, exitCodes } from './cli-error.ts'
import { render, type OutputFormat, type Result } from './output.ts'

const longest = 3_600

/** Seconds between polls, from the option's value; `true` without one. @throws CliError InvalidArgument */
export function watchSeconds(given: string | true): number {
  const seconds = given === true ? 2 : Number(given)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= longest) return seconds
  throw new CliError({
    code: 'InvalidArgument',
    message: '--watch must be a number of seconds.',
    expected: `a whole number from 1 to ${longest}; 2 by default`,
    found: String(given),
    exitCode: exitCodes.usage,
  })
}

/**
 * Polls until interrupted, and writes the result whenever it has changed: one line of JSON each time for programs, on a
 * terminal over the previous output.
 */
export async function watch(o: {
  look: () => Promise<Result | undefined>
  seconds: number
  format: OutputFormat
  terminal: boolean
  write: (text: string) => void
}): Promise<never> {
  let shown: string | undefined
  for (;;) {
    const result = await o.look()
    if (result !== undefined) {
      const text = o.format === 'json' ? visibleJson(result.data) : render(result, o.format)
      if (text !== shown) {
        const above = o.terminal && o.format === 'table' ? '\u001b[H\u001b[2J' : ''
        o.write(`${above}${text}\n${above === '' && o.format === 'table' ? '\n' : ''}`)
      }
      shown = text
    }
    await sleep(o.seconds * 1_000)
  }
}
