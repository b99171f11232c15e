import { systemClock, type Clock, type Elapsed } from './clock.ts'

/** A movable clock for tests: all its readers see the same time. */
export class SettableClock implements Clock {
  readonly #base: Clock
  /** Milliseconds that `now` is ahead of the underlying clock, and that passed beyond it. */
  #ahead = 0
  #passed = 0

  constructor(base: Clock = systemClock) {
    this.#base = base
  }

  now(): Date {
    return new Date(this.#base.now().getTime() + this.#ahead)
  }

  elapsed(): Elapsed {
    const { era, milliseconds } = this.#base.elapsed?.() ?? { era: 'none', milliseconds: this.#base.now().getTime() }
    return { era, milliseconds: milliseconds + this.#passed }
  }

  /** Difference of `now` from the underlying clock, in milliseconds. */
  get ahead(): number {
    return this.#ahead
  }

  /** Lets time pass: a jump ahead counts as elapsed time, one back as a correction of the wall clock. */
  advance(milliseconds: number): void {
    this.#ahead += milliseconds
    this.#passed += Math.max(0, milliseconds)
  }

  set(time: Date): void {
    this.advance(time.getTime() - this.now().getTime())
  }

  /** Moves only the wall clock, like a correction: no time elapses. */
  step(milliseconds: number): void {
    this.#ahead += milliseconds
  }

  /** Back to the clock below. */
  reset(): void {
    this.#ahead = 0
  }
}
