import { ServiceError } from '../errors/errors.ts'
import { jsonLength } from './json-length.ts'
import { nextSlice } from './slices.ts'

/** Units between two turns of other work: a millisecond, as for every request that begins. */
const betweenTurns = 40_000

const charactersPerUnit = 8

/**
 * What the evaluation of one caller's text may cost: a query, a template, a filter (attack W22). A unit is some ten
 * nanoseconds of work: a step of the evaluator, or eight characters that it reads or creates. Every function takes what
 * it is about to cost before it does the work, so that neither time nor memory is spent on what is refused.
 */
export class Fuel {
  readonly #most: number
  readonly #exhausted: (most: number) => Error
  readonly #isAbandoned: () => boolean
  #taken = 0
  #nextTurn = betweenTurns

  /**
   * @param o.most units
   * @param o.exhausted the error once more is needed
   * @param o.isAbandoned whether nobody waits for the result; asked at each turn
   */
  constructor(o: { most: number; exhausted: (most: number) => Error; isAbandoned?: (() => boolean) | undefined }) {
    this.#most = o.most
    this.#exhausted = o.exhausted
    this.#isAbandoned = o.isAbandoned ?? (() => false)
  }

  /** @throws the error from `exhausted` */
  take(units: number = 1): void {
    this.#taken += units
    if (this.#taken > this.#most) throw this.#exhausted(this.#most)
  }

  /** For texts of this length in all, read or created. @throws the error from `exhausted` */
  takeText(length: number): void {
    this.take(length / charactersPerUnit)
  }

  /** For a JSON value with everything in it. @throws the error from `exhausted` */
  takeJson(value: unknown): void {
    this.takeText(jsonLength(value, charactersPerUnit * (this.#most - this.#taken)))
  }

  /** Whether other work should get a turn before the next step. */
  get isTurnDue(): boolean {
    return this.#taken >= this.#nextTurn
  }

  /** Gives other work a turn. @throws ServiceError ClientClosedRequest if nobody waits for the result */
  async turn(): Promise<void> {
    this.#nextTurn = this.#taken + betweenTurns
    await nextSlice()
    if (this.#isAbandoned())
      throw new ServiceError({ code: 'ClientClosedRequest', message: 'The client closed its connection.' })
  }
}
