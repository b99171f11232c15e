import type { FreshQuote } from '@strongroom/contract'
import { toBase64Url } from '@strongroom/evidence'
import { guestAnswerMs, whyUnanswered, type AskedGuest } from '@strongroom/trust'
import { arm, versions } from '../wire/arm.ts'
import { toWireError } from '../wire/wire-error.ts'

/** Asks the guest that runs now, with random bytes of this page's. */
export async function askGuest(id: string): Promise<AskedGuest> {
  const nonce = crypto.getRandomValues(new Uint8Array(32))
  const signal = AbortSignal.timeout(guestAnswerMs)
  const body = { nonce: toBase64Url(nonce) }
  try {
    const question = { method: 'POST', path: `${id}/retrieveFreshQuote`, version: versions.compute, body, signal }
    return { nonce, answer: (await arm<FreshQuote>(question)).body }
  } catch (error) {
    const late = `Nothing came back from the guest within ${guestAnswerMs / 1000} s.`
    return { nonce, unanswered: signal.aborted ? late : whyUnanswered(toWireError(error).detail) }
  }
}
