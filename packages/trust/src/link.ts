export type Outcome = 'verified' | 'refused' | 'not checked'

/** One link of the chain: what it proves, in short form, and whether it holds. */
export interface Link {
  id: string
  title: string
  outcome: Outcome
  /** Evidence in short form, a line each. */
  shows: string[]
  /** Present if the link does not hold or could not be judged; with a code if the error has one. */
  code?: string
  expected?: string
  actual?: string
  why?: string
}

/** What a link found wrong. */
export class LinkRefused extends Error {
  readonly code: string | undefined
  readonly expected: string | undefined
  readonly actual: string | undefined

  constructor(o: { code?: string; message: string; expected?: string; actual?: string; cause?: unknown }) {
    super(o.message, { cause: o.cause })
    this.name = 'LinkRefused'
    this.code = o.code
    this.expected = o.expected
    this.actual = o.actual
  }
}

/** Thrown by a link that cannot be checked; the chain is then incomplete, and so not trusted. */
export class LinkNotChecked extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LinkNotChecked'
  }
}

/** Runs one link; any error refuses it, so that a bug in a check never passes for a verdict. */
export async function judge(id: string, title: string, check: () => Promise<string[]> | string[]): Promise<Link> {
  try {
    return { id, title, outcome: 'verified', shows: await check() }
  } catch (error) {
    if (error instanceof LinkNotChecked) return { id, title, outcome: 'not checked', shows: [], why: error.message }
    const found = error as { code?: unknown; message?: string; expected?: unknown; actual?: unknown; found?: unknown }
    const expected = found.expected
    const actual = found.actual ?? found.found
    return {
      id,
      title,
      outcome: 'refused',
      shows: [],
      ...(typeof found.code === 'string' && { code: found.code }),
      why: found.message ?? String(error),
      ...(expected === undefined ? {} : { expected: text(expected) }),
      ...(actual === undefined ? {} : { actual: text(actual) }),
    }
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

export function demand(o: { code?: string; holds: boolean; message: string; expected: string; actual: string }): void {
  if (!o.holds) throw new LinkRefused(o)
}

/** Short form, enough for a person to compare; programs read the full value from `--output json`. */
export const short = (hex: string): string => (hex.length > 20 ? `${hex.slice(0, 16)}…` : hex)
