import { isKnown, sources, type Known, type Source } from './known.ts'

export type Outcome = 'verified' | 'refused' | 'not checked'

/** One link of the chain: what it proves, in short form, and whether it holds. */
export interface Link {
  id: string
  title: string
  outcome: Outcome
  /** What was proven, in short form, a line each. */
  shows: string[]
  /** What only the host states, a line each: it decides nothing. */
  stated: string[]
  /** Who vouches for what the link rests on, strongest first; empty unless it holds. */
  restsOn: Source[]
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

/** A demand on a value that somebody vouches for. */
interface Demand {
  code?: string
  holds: Known<boolean>
  message: string
  expected: string
  actual: string
}

/**
 * What one link proves. It rests on values that somebody vouches for: `demand` and `proves` take nothing that the host
 * states. The compiler refuses it, and so do they at run time.
 */
export class Proof {
  readonly shows: string[] = []
  readonly stated: string[] = []
  readonly #restsOn = new Set<Source>()

  /** @throws LinkRefused */
  demand(o: Demand): void {
    if (!this.#rest(o.holds)) throw new LinkRefused(o)
  }

  /** A line of the report, whose every value somebody vouches for. */
  proves(texts: TemplateStringsArray, ...values: readonly Known<string | number>[]): void {
    this.shows.push(String.raw({ raw: texts }, ...values.map((value) => this.#rest(value))))
  }

  /** A line on a value alone. */
  shown(lines: Known<readonly string[]>): void {
    this.shows.push(...this.#rest(lines))
  }

  /** A line on what the host states. */
  informs(text: string): void {
    this.stated.push(text)
  }

  /** Strongest first. @throws TypeError for a link that proved nothing */
  get restsOn(): Source[] {
    if (this.shows.length === 0 || this.#restsOn.size === 0)
      throw new TypeError('A link that proves nothing does not hold.')
    return sources.filter((each) => this.#restsOn.has(each))
  }

  #rest<T>(known: Known<T>): T {
    if (!isKnown(known)) throw new TypeError('A link does not rest on a value that nobody vouches for.')
    for (const source of known.restsOn) this.#restsOn.add(source)
    return known.value
  }
}

/** Runs one link; any error refuses it, so that a bug in a check never passes for a verdict. */
export async function judge(id: string, title: string, check: (proof: Proof) => Promise<void> | void): Promise<Link> {
  const nothing = { shows: [], stated: [], restsOn: [] }
  try {
    const proof = new Proof()
    await check(proof)
    const { shows, stated, restsOn } = proof
    return { id, title, outcome: 'verified', shows, stated, restsOn }
  } catch (error) {
    if (error instanceof LinkNotChecked) return { id, title, outcome: 'not checked', ...nothing, why: error.message }
    const found = error as { code?: unknown; message?: string; expected?: unknown; actual?: unknown; found?: unknown }
    const expected = found.expected
    const actual = found.actual ?? found.found
    return {
      id,
      title,
      outcome: 'refused',
      ...nothing,
      ...(typeof found.code === 'string' && { code: found.code }),
      why: found.message ?? String(error),
      ...(expected === undefined ? {} : { expected: text(expected) }),
      ...(actual === undefined ? {} : { actual: text(actual) }),
    }
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** A link whose predecessor does not hold cannot be judged: its input is missing. */
export function need<T>(value: T | undefined, predecessor: string): T {
  if (value === undefined) throw new LinkNotChecked(`It depends on '${predecessor}', which does not hold.`)
  return value
}

/** Refuses; it proves nothing. For what the host contradicts itself in, and inside verifying functions. */
export function refuseUnless(
  holds: boolean,
  o: { code?: string; message: string; expected: string; actual: string },
): void {
  if (!holds) throw new LinkRefused(o)
}

/** Short form, enough for a person to compare; programs read the full value from `--output json`. */
export const short = (hex: string): string => (hex.length > 20 ? `${hex.slice(0, 16)}…` : hex)
