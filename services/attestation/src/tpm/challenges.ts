import type { ErrorCode } from '@strongroom/contract'
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { SealError, type Clock, type Sealer } from '@strongroom/platform'
import { invalidParameter } from '../core/errors.ts'
import type { Provider } from '../providers/providers.ts'

const lifeMs = 5 * 60_000
const challengeLength = 32

/** What a client's TPM must sign, and the sealed context by which the service recognises it. */
export interface Challenge {
  challenge: Uint8Array
  context: Uint8Array
}

/** Challenges of `/attest/Tpm`: stored only in the sealed context that the client returns. */
export class Challenges {
  readonly #sealer: Sealer
  readonly #clock: Clock

  constructor(o: { sealer: Sealer; clock: Clock }) {
    this.#sealer = o.sealer
    this.#clock = o.clock
  }

  async issue(provider: Provider): Promise<Challenge> {
    const challenge = Uint8Array.from(randomBytes(challengeLength))
    const expires = Buffer.alloc(8)
    expires.writeBigUInt64BE(BigInt(this.#clock.now().getTime() + lifeMs))
    const context = await this.#sealer.seal(Buffer.concat([challenge, expires]), sealContext(provider))
    return { challenge, context }
  }

  /** @throws ServiceError InvalidParameter with ChallengeUnknown, ChallengeExpired */
  async check(provider: Provider, { challenge, context }: Challenge): Promise<void> {
    let opened: Buffer
    try {
      opened = Buffer.from(await this.#sealer.open(context, sealContext(provider)))
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      throw refused('ChallengeUnknown', 'a service_context that this provider issued', 'another')
    }
    const issued = opened.subarray(0, challengeLength)
    if (issued.length !== challenge.length || !timingSafeEqual(issued, challenge))
      throw refused('ChallengeUnknown', 'the challenge of the service_context', 'another')
    const expires = Number(opened.readBigUInt64BE(challengeLength))
    if (this.#clock.now().getTime() < expires) return
    throw refused('ChallengeExpired', 'a challenge in force', `one that expired at ${new Date(expires).toISOString()}`)
  }
}

const sealContext = (provider: Provider): string => `attestation/tpm-challenge/${provider.host}`

function refused(reason: ErrorCode, expected: string, found: string): unknown {
  return invalidParameter({
    target: 'challenge',
    message: 'The challenge cannot be used.',
    expected,
    found,
    reason,
    remedy: 'Request a new challenge with {"payload":{"type":"aikcert"}}, and answer it within 5 minutes.',
  })
}
