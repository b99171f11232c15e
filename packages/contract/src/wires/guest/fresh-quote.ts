import { named, object, optional, text, upTo, type TypeOf } from '../../shape/index.ts'
import { registers } from '../elements/names.ts'

/** What a verifier asks the running guest with: 32 random bytes of its own. */
export const quoteChallenge = named(
  'QuoteChallenge',
  object({ nonce: text(/^[A-Za-z0-9_-]{43}$/, 'base64url of 32 bytes') }),
)
export type QuoteChallenge = TypeOf<typeof quoteChallenge>

const bytes = (most: number): ReturnType<typeof upTo> =>
  upTo(Math.ceil((most * 4) / 3), `base64url of at most ${most} bytes`, /^[A-Za-z0-9_-]+$/)

/** What a verifier gets: the guest's answer, and the key service's to the same challenge, a JWS of `{ latestLaunch }`. */
export type AnsweredChallenge = FreshQuote & { latestLaunch?: string }

/** The running guest's answer. Everything between guest and verifier only carries it (docs/design/0025-who-answers-now.md). */
export const freshQuote = named(
  'FreshQuote',
  object({
    /** TPMS_ATTEST and TPMT_SIGNATURE by the AK, over the challenge and the SSH host key. */
    quoteMessage: bytes(1024),
    quoteSignature: bytes(1024),
    pcrs: registers,
    /** /run/log/systemd/tpm2-measure.log: what was measured since the boot was reported, too. */
    userspaceLog: bytes(256 * 1024),
    /**
     * TPMS_ATTEST and TPMT_SIGNATURE by the AK, of the NV index that names the launch and the generation of the guest state. The quote is
     * over it too. Absent in answers of earlier images.
     */
    launch: optional(object({ message: bytes(1024), signature: bytes(1024) })),
  }),
)
export type FreshQuote = TypeOf<typeof freshQuote>
