import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostAnswer, HostCall } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { WorkSignal } from '../work-signal.ts'

interface Waiting {
  host: string
  call: HostCall
  isTold: boolean
  answered: (answer: HostAnswer) => void
}

/**
 * Requests to joined hosts, which cannot be called: they go with the answer to the next beat, and the host answers by a
 * call of its own. In this process, because a host calls the one server it has joined.
 */
export class HostCalls {
  readonly #signal: WorkSignal
  readonly #waiting = new Map<string, Waiting>()

  constructor(signal: WorkSignal) {
    this.#signal = signal
  }

  /** @throws ServiceError HostUnreachable if it has not answered in time */
  async ask(host: string, asked: Omit<HostCall, 'id'>, limitMs = 15_000): Promise<HostAnswer> {
    const id = randomUUID()
    const stop = new AbortController()
    try {
      return await new Promise<HostAnswer>((answered, late) => {
        this.#waiting.set(id, { host, call: { id, ...asked }, isTold: false, answered })
        this.#signal.notify(host)
        sleep(limitMs, undefined, { signal: stop.signal }).then(
          () => late(unreachable(limitMs)),
          () => {},
        )
      })
    } finally {
      stop.abort()
      this.#waiting.delete(id)
    }
  }

  /** Requests that the host has not received yet. */
  untold(host: string): HostCall[] {
    const calls: HostCall[] = []
    for (const waiting of this.#waiting.values()) {
      if (waiting.host !== host || waiting.isTold) continue
      waiting.isTold = true
      calls.push(waiting.call)
    }
    return calls
  }

  has(host: string): boolean {
    return [...this.#waiting.values()].some((waiting) => waiting.host === host && !waiting.isTold)
  }

  /** Only the host that was asked can answer. */
  take(host: string, answer: HostAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting?.host === host) waiting.answered(answer)
  }
}

const unreachable = (limitMs: number): ServiceError =>
  new ServiceError({
    code: 'HostUnreachable',
    message: 'The host that carries this virtual machine did not answer.',
    expected: `an answer within ${limitMs / 1000} seconds`,
    found: 'none',
    remedy: 'Try again: the VMs of a lost host are started on other hosts.',
  })
