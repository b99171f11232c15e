const mask = (1n << 64n) - 1n

function mix(given: bigint): bigint {
  let mixed = given
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask
  return mixed ^ (mixed >> 31n)
}

/** FNV-1a. */
function digest(text: string): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask
  return hash
}

/**
 * Repeatable choices (SplitMix64): the seed and the number of a life give its generator, so that any life can be lived
 * again without those before it.
 */
export class Choices {
  #state: bigint

  constructor(seed: number, life: number) {
    this.#state = BigInt(seed)
    this.#state = (this.#next() + BigInt(life)) & mask
  }

  #next(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & mask
    return mix(this.#state)
  }

  /** A whole number from 0 to limit - 1. */
  below(limit: number): number {
    return Number(this.#next() % BigInt(limit))
  }

  /** From 0 to 1, in thousandths: a place in something whose length is not known yet. */
  place(): number {
    return this.below(1000) / 1000
  }

  chance(probability: number): boolean {
    return this.place() < probability
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new RangeError('there is nothing to choose from')
    return from[this.below(from.length)]!
  }

  /** By name: one more or less to choose from, as between boots, changes few choices. */
  pickNamed<T>(from: readonly T[], nameOf: (each: T) => string): T {
    if (from.length === 0) throw new RangeError('there is nothing to choose from')
    const salt = this.#next()
    const score = (each: T): bigint => mix(salt ^ digest(nameOf(each)))
    return from.reduce((best, each) => (score(each) < score(best) ? each : best))
  }
}
