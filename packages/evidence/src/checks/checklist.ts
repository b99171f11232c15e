import type { CheckId } from './catalogue.ts'
import { allOf, type Check, failed, passed, skipped } from './check.ts'

/**
 * Runs checks in order. The result of a check is passed to later ones; a check whose input is missing is skipped.
 * Errors do not propagate: they become failed checks.
 * @example
 * import { Checklist, readJsonObject, utf8 } from '@strongroom/evidence'
 *
 * const list = new Checklist()
 * const text = await list.run('token.format', ['{}'], (value: string) => readJsonObject(utf8(value), 'token'))
 * text // => {}
 * list.skip('token.signature', 'no key set was given')
 * list.all('token').outcome // => 'skipped'
 */
export class Checklist {
  readonly checks: Check[] = []

  /**
   * @param needs results of earlier checks; `undefined` for one that did not pass
   * @param describe what was found, in short form
   * @returns what the action yields; undefined unless the check passed
   */
  async run<N extends readonly unknown[], T>(
    id: CheckId,
    needs: readonly [...{ [K in keyof N]: N[K] | undefined }],
    action: (...values: N) => T | Promise<T>,
    describe?: (value: T) => string,
  ): Promise<T | undefined> {
    if (needs.some((value) => value === undefined)) {
      this.checks.push(skipped(id, 'It depends on a check that did not pass'))
      return undefined
    }
    try {
      const value = await action(...(needs as unknown as N))
      this.checks.push(passed(id, describe?.(value)))
      return value
    } catch (error) {
      this.checks.push(failed(id, error))
      return undefined
    }
  }

  /** Missing input: there is no verdict without it, unless it was not requested. */
  skip(id: CheckId, message: string, o: { optional?: boolean } = {}): void {
    this.checks.push(skipped(id, message, o))
  }

  add(...checks: Check[]): void {
    this.checks.push(...checks)
  }

  /** True while nothing failed and nothing requested is missing. */
  get whole(): boolean {
    return this.checks.every((check) => check.outcome === 'passed' || check.optional === true)
  }

  all(id: CheckId, actual?: string): Check {
    return allOf(id, this.checks, actual)
  }
}
