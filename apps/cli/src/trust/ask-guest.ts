import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FreshQuote } from '@strongroom/contract'
import { guestAnswerMs, whyUnanswered, type AskedGuest } from '@strongroom/trust'
import { apiVersions, type ArmClient } from '../client/arm.ts'
import { CliError } from '../core/cli-error.ts'

/** Asks the running guest. Whatever goes wrong on the way is why the link is not checked: nothing that it brings counts by itself. */
export async function askGuest(arm: ArmClient, path: string): Promise<AskedGuest> {
  const nonce = new Uint8Array(randomBytes(32))
  const body = { nonce: Buffer.from(nonce).toString('base64url') }
  const unanswered = `Nothing came back from the guest within ${guestAnswerMs / 1000} s.`
  const late = sleep(guestAnswerMs, { nonce, unanswered }, { ref: false })
  const asked = arm.send('POST', `${path}/retrieveFreshQuote`, apiVersions.compute, body).then(
    ({ json }) => ({ nonce, answer: json as FreshQuote }),
    (error: unknown) => ({ nonce, unanswered: reasonOf(error) }),
  )
  return await Promise.race([asked, late])
}

const reasonOf = (error: unknown): string =>
  error instanceof CliError ? whyUnanswered(error.detail) : (error as Error).message
