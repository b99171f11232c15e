import { createHash } from 'node:crypto'
import {
  equal,
  parseEventLog,
  parsePlatformClaim,
  parseTpmsAttest,
  readBootState,
  tpmKeyFromJwk,
  verifyEventLog,
  verifyQuote,
  type VerifiedEventLog,
  type VerifiedQuote,
} from '@strongroom/evidence'
import type { Clock, Installation } from '@strongroom/platform'
import { calculateJwkThumbprint } from 'jose'
import { evidenceFailure, invalidParameter } from '../core/errors.ts'
import type { AttestedEvidence } from '../evidence/attested.ts'
import { rsaPublicKey, type AttestationKeyAuthorities, type CertifiedKey } from './ak-certificate.ts'
import { guestRecord, tpmQuoteRecord } from '../evidence/evidence-record.ts'
import type { Freshness } from './freshness.ts'
import type { Provider } from '../providers/providers.ts'
import type { Challenges } from './challenges.ts'
import { eventsClaim, registerClaim, tpmClaims } from './tpm-claims.ts'
import type { TpmRequest } from './tpm-request.ts'

const firmwareRegisters = 8

/** `/attest/Tpm`: a certified attestation key quotes the registers over a challenge of this service. */
export class TpmVerifier {
  readonly #authorities: AttestationKeyAuthorities
  readonly #challenges: Challenges
  readonly #freshness: Freshness
  readonly #clock: Clock
  readonly #mode: Installation['mode']

  constructor(o: {
    authorities: AttestationKeyAuthorities
    challenges: Challenges
    freshness: Freshness
    clock: Clock
    mode: Installation['mode']
  }) {
    this.#authorities = o.authorities
    this.#challenges = o.challenges
    this.#freshness = o.freshness
    this.#clock = o.clock
    this.#mode = o.mode
  }

  /** @throws ServiceError InvalidParameter */
  async verify(provider: Provider, request: TpmRequest): Promise<AttestedEvidence> {
    this.#requireTrustworthyTpm()
    const { challenge } = request.challenge
    await this.#challenges.check(provider, request.challenge)
    const key = await this.#certifiedKey(request)
    const bound = await boundChallenge(request)
    const { quote, signature } = await verifyClaim(request, key, bound)
    const log = await verifyLog(request, quote)
    const { resetCount, restartCount, clock } = quote.attest
    await this.#freshness.accept({
      fingerprint: key.fingerprint,
      resetCount,
      restartCount,
      clock,
      digest: createHash('sha256').update(challenge).digest('hex'),
      target: 'request.current_claim',
    })
    const isBound = equal(quote.attest.extraData, bound)
    const { n, e } = request.attestKey
    const spki = rsaPublicKey(requireRsa(request)).export({ type: 'spki', format: 'der' })
    return {
      type: 'Tpm',
      attestationType: 'tpm',
      simulated: true,
      digest: createHash('sha256').update(request.currentClaim).digest('hex'),
      claims: tpmClaims({
        akHash: createHash('sha256').update(spki).digest('base64'),
        vmId: key.vmId,
        boot: await readBootState(log),
        relyingParty: request.relyingParty,
        relyingPartyData: request.relyingPartyData,
        boundKey: isBound ? { kty: 'RSA', n: n!, e: e! } : undefined,
      }),
      policyClaims: { events: eventsClaim(log), pcrs: registerClaim(quote.pcrs) },
      record: guestRecord({
        isolation: undefined,
        quote: tpmQuoteRecord({ message: quote.attest.raw, signature, pcrs: quote.pcrs, eventLog: request.bootLog }),
        akChain: key.chain,
      }),
      byNameOnly: [],
      shortcomings: [],
    }
  }

  /** The host runs this TPM: alone, it proves something only to those who trust the host. */
  #requireTrustworthyTpm(): void {
    if (this.#mode === 'simulated') return
    throw invalidParameter({
      target: 'type',
      message:
        'A TPM run by the host proves nothing against the host, so this installation does not accept its evidence.',
      expected: 'hardware evidence, at /attest/AzureGuest',
      found: 'Tpm',
      reason: 'HardwareReportMissing',
      remedy: 'Attest the guest at /attest/AzureGuest.',
    })
  }

  async #certifiedKey(request: TpmRequest): Promise<CertifiedKey> {
    try {
      const key = requireRsa(request)
      return await this.#authorities.verify({ certificate: request.akCertificate, key, at: this.#clock.now() })
    } catch (error) {
      throw evidenceFailure(error, 'request.aik_cert')
    }
  }
}

type RsaKey = Extract<ReturnType<typeof tpmKeyFromJwk>, { kind: 'rsa' }>

function requireRsa({ akPublic }: TpmRequest): RsaKey {
  return tpmKeyFromJwk(akPublic) as RsaKey
}

/** What a TPM signs to bind the sender's key too: SHA-256 of challenge and RFC 7638 thumbprint. */
async function boundChallenge({ challenge, attestKey }: TpmRequest): Promise<Uint8Array> {
  const thumbprint = Buffer.from(await calculateJwkThumbprint(attestKey), 'base64url')
  return createHash('sha256').update(challenge.challenge).update(thumbprint).digest()
}

async function verifyClaim(
  request: TpmRequest,
  key: CertifiedKey,
  bound: Uint8Array,
): Promise<{ quote: VerifiedQuote; signature: Uint8Array }> {
  try {
    const claim = parsePlatformClaim(request.currentClaim)
    const attest = parseTpmsAttest(claim.quote)
    const selected = attest.type === 'quote' ? attest.pcrSelections.flatMap(({ pcrs }) => pcrs) : []
    const quote = await verifyQuote({
      message: claim.quote,
      signature: claim.signature,
      akPublic: key.key,
      nonce: equal(attest.extraData, bound) ? bound : request.challenge.challenge,
      pcrs: new Map([...claim.pcrs].filter(([pcr]) => selected.includes(pcr))),
      bank: 'sha256',
    })
    return { quote, signature: claim.signatureBytes }
  } catch (error) {
    throw evidenceFailure(error, 'request.current_claim')
  }
}

async function verifyLog(request: TpmRequest, quote: VerifiedQuote): Promise<VerifiedEventLog> {
  try {
    const registers = new Map([...quote.pcrs].filter(([pcr]) => pcr < firmwareRegisters))
    return await verifyEventLog({ log: parseEventLog(request.bootLog), bank: quote.bank, registers })
  } catch (error) {
    throw evidenceFailure(error, 'request.srtm_boot_log')
  }
}
