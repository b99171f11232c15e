/**
 * Who vouches for a value. The host is none of them: a plain value is the host's word, whatever its type.
 * - `silicon`: the processor signed it, under a pinned root
 * - `vTPM`: the key that the silicon's report binds signed it
 * - `pinned key`: signed by a key that the verifier pinned, or by one certified by it
 * - `published key`: signed by a key that the attestation provider publishes, fetched by the verifier itself
 * - `computed`: computed here from public input
 * - `verifier`: the verifier's own: what they requested or passed, and pinned of boots that were compared with it
 * - `first use`: taken as first seen, or remembered of that: nobody compared it with what the owner requested
 */
export type Source = (typeof sources)[number]

/** Strongest first. */
export const sources = ['silicon', 'vTPM', 'pinned key', 'published key', 'computed', 'verifier', 'first use'] as const

/**
 * Each source in the words of a report: "rests on …".
 * @example
 * import { sourceNames } from '@strongroom/trust'
 *
 * sourceNames['silicon'] // => 'the silicon'
 */
export const sourceNames: Record<Source, string> = {
  silicon: 'the silicon',
  vTPM: 'the vTPM that the silicon attests',
  'pinned key': 'keys that you pinned',
  'published key': 'the attestation provider’s published key',
  computed: 'what was computed here',
  verifier: 'what you requested or pinned',
  'first use': 'what was taken as first seen',
}

let make: <T>(value: T, restsOn: Iterable<Source>) => Known<T>
let check: (value: unknown) => boolean

/**
 * A value that somebody other than the host vouches for. Only the functions of this folder make one, each by a
 * verification; a derived one rests on everything that its inputs rest on.
 */
export class Known<T> {
  /** Private, so that no object of the same shape is one. */
  readonly #value: T
  readonly restsOn: ReadonlySet<Source>

  private constructor(value: T, restsOn: Iterable<Source>) {
    this.#value = value
    this.restsOn = new Set(restsOn)
  }

  get value(): T {
    return this.#value
  }

  /** @param of must use nothing else than its argument: a boundary test reads it */
  map<R>(of: (value: T) => R): Known<R> {
    return new Known(of(this.value), this.restsOn)
  }

  static {
    make = (value, restsOn) => new Known(value, restsOn)
    check = (value) => typeof value === 'object' && value !== null && #value in value
  }
}

/** For the verifying functions of this folder alone. */
export const vouch = <T>(value: T, ...restsOn: (Source | Known<unknown>)[]): Known<T> =>
  make(
    value,
    restsOn.flatMap((each) => (typeof each === 'string' ? [each] : [...each.restsOn])),
  )

/** False for anything that was not made in this folder, also where no compiler looked. */
export const isKnown = (value: unknown): value is Known<unknown> => check(value)

type Inputs = readonly [Known<unknown>, ...Known<unknown>[]]
type Values<I extends Inputs> = { [K in keyof I]: I[K] extends Known<infer V> ? V : never }

/** @param of must use nothing else than its arguments: a boundary test reads it */
export function derive<const I extends Inputs, R>(inputs: I, of: (...values: Values<I>) => R): Known<R> {
  return vouch(of(...valuesOf(inputs)), ...inputs)
}

/** As `derive`, for a promise. */
export async function deriveAsync<const I extends Inputs, R>(
  inputs: I,
  of: (...values: Values<I>) => Promise<R>,
): Promise<Known<R>> {
  return vouch(await of(...valuesOf(inputs)), ...inputs)
}

function valuesOf<I extends Inputs>(inputs: I): Values<I> {
  if (!inputs.every(isKnown)) throw new TypeError('Nothing is derived from a value that nobody vouches for.')
  return inputs.map(({ value }) => value) as unknown as Values<I>
}

type Comparable = string | number | bigint | boolean | null | undefined

export const same = <T extends Comparable>(a: Known<T>, b: Known<T>): Known<boolean> =>
  derive([a, b], (left, right) => left === right)

type IsUnion<T, All = T> = T extends unknown ? ([All] extends [T] ? false : true) : never

/** A literal of the source text, which rests on nothing; a variable, or a choice between literals, does not compile. */
export const constant = <const T extends string | number | boolean>(
  value: string extends T ? never : number extends T ? never : IsUnion<T> extends false ? T : never,
): Known<T> => vouch(value)
