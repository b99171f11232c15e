import { setTimeout as sleep } from 'node:timers/promises'

/** How long a call waits in total for a peer that asks it to retry later. */
const longestWaitMs = 30_000

interface Answer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
}

/**
 * Resends what a peer refused because of too many requests (429; RFC 6585, section 4), after its Retry-After (RFC 9110,
 * section 10.2.3). Returns the last refusal if that would take too long.
 */
export async function whileThrottled<A extends Answer>(
  send: () => Promise<A>,
  signal: AbortSignal,
  wait: (ms: number) => Promise<unknown> = (ms) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
): Promise<A> {
  let left = longestWaitMs
  for (;;) {
    const answer = await send()
    const seconds = answer.status === 429 ? secondsOf(answer.headers['retry-after']) : undefined
    if (seconds === undefined || seconds * 1000 > left) return answer
    left -= seconds * 1000
    await wait(seconds * 1000)
    if (signal.aborted) return answer
  }
}

/** Undefined without a usable Retry-After; at least a moment, so that `left` runs out. */
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined
  return Math.max(0.1, Number(header))
}
