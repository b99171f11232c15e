import { systemClock, type Clock, type Elapsed } from './clock.ts'

/** A clock that can be moved, for tests: everything that reads it sees the same moved time. */
export class SettableClock implements Clock {
  readonly #base: Clock
  /** Milliseconds that `now` is ahead of the clock below, and that passed beyond it. */
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

  /** How far `now` is from the clock below, in milliseconds. */
  get ahead(): number {
    return this.#ahead
  }

  /** Lets time pass: a jump ahead is time that passed, one back is a correction of the wall clock. */
  advance(milliseconds: number): void {
    this.#ahead += milliseconds
    this.#passed += Math.max(0, milliseconds)
  }

  set(time: Date): void {
    this.advance(time.getTime() - this.now().getTime())
  }

  /** Moves the wall clock alone, as its correction does: no time passes. */
  step(milliseconds: number): void {
    this.#ahead += milliseconds
  }

  /** Back to the clock below. */
  reset(): void {
    this.#ahead = 0
  }
}
