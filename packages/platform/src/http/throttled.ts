import { setTimeout as sleep } from 'node:timers/promises'

/** How long a call waits in all for a peer that asks it to come back later. */
const longestWaitMs = 30_000

interface Answer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
}

/**
 * Sends again what a peer refused because it is asked too much (429; RFC 6585, section 4), after the time that its
 * Retry-After names (RFC 9110, section 10.2.3). The last refusal is the answer where that would take too long.
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

/** Undefined where the peer says nothing that can be waited for; never less than a moment, so that `left` runs out. */
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined
  return Math.max(0.1, Number(header))
}
