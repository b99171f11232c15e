import { createHash } from 'node:crypto'
import { toHex } from '@strongroom/evidence'
import { createSealer, ServiceError } from '@strongroom/platform'
import { calculateJwkThumbprint } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { AttestationKeyAuthorities } from './ak-certificate.ts'
import type { Provider } from '../providers/providers.ts'
import { bootRecords, eventLog, type LogRecord } from '../testing/guest-log.ts'
import { firmwareIsThere } from '../testing/harness.ts'
import { extended, platformClaimOf, SoftTpm, type StatementParts } from '../testing/soft-tpm.ts'
import { openTestFreshness } from '../testing/test-freshness.ts'
import { Challenges, type Challenge } from './challenges.ts'
import type { TpmRequest } from './tpm-request.ts'
import { TpmVerifier } from './tpm-verifier.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')}\n-----END CERTIFICATE-----\n`

describe.skipIf(!firmwareIsThere)('a TPM that answers a challenge', () => {
  const provider = { host: 'one.weu.attest.strongroom.internal' } as Provider
  const clock = { now: () => new Date() }
  const challenges = new Challenges({ sealer: createSealer(new Uint8Array(32)), clock })
  const records = bootRecords()
  let tpm: SoftTpm
  let verifier: (mode: 'simulated' | 'hardware') => TpmVerifier
  beforeEach(async () => {
    tpm = await SoftTpm.make()
    const freshness = await openTestFreshness(clock)
    const authorities = new AttestationKeyAuthorities({ pem: [tpm.caPem], context: {} })
    verifier = (mode) => new TpmVerifier({ authorities, challenges, freshness, clock, mode })
  })

  interface Parts {
    challenge?: Challenge
    /** What is signed; default: the challenge. */
    nonce?: Uint8Array
    /** What the registers are extended with; the log shows `records`. */
    measured?: readonly LogRecord[]
    /** Quoted registers other than the firmware's. */
    beside?: readonly number[]
    statement?: StatementParts
    message?: (message: Uint8Array) => Uint8Array
  }
  const request = async (o: Parts = {}, change: Partial<TpmRequest> = {}): Promise<TpmRequest> => {
    const challenge = o.challenge ?? (await challenges.issue(provider))
    const pcrs = extended(o.measured ?? records)
    const quoted = new Map([...pcrs].filter(([pcr]) => pcr < 8 || o.beside?.includes(pcr)))
    const quote = (o.message ?? ((same) => same))(
      tpm.quote(quoted, { nonce: o.nonce ?? challenge.challenge, ...o.statement }),
    )
    return {
      kind: 'request',
      wrapped: true,
      relyingParty: 'party',
      relyingPartyData: undefined,
      challenge,
      akCertificate: tpm.certificate,
      akPublic: tpm.jwk,
      currentClaim: platformClaimOf({ quote, signature: tpm.signature(quote), pcrs }),
      bootLog: eventLog(records),
      attestKey: { ...tpm.encryptionJwk, kid: 'not of the key' },
      ...change,
    }
  }
  /** Target and reason of the refusal; `taken` if accepted. */
  const judged = async (sent: TpmRequest, mode: 'simulated' | 'hardware' = 'simulated'): Promise<unknown> => {
    const error: unknown = await verifier(mode)
      .verify(provider, sent)
      .then(
        () => undefined,
        (cause: unknown) => cause,
      )
    if (error === undefined) return 'taken'
    if (!(error instanceof ServiceError)) throw error
    expect([error.status, error.code]).toEqual([400, 'InvalidParameter'])
    return [error.target, error.details?.[0]?.code]
  }

  it('is told by its claims, and by all that was verified for policies and for the record', async () => {
    const sent = await request()
    const evidence = await verifier('simulated').verify(provider, sent)
    const { policyClaims, record, ...rest } = evidence
    expect(rest).toEqual({
      type: 'Tpm',
      attestationType: 'tpm',
      simulated: true,
      digest: sha256(sent.currentClaim),
      claims: {
        aikPubHash: createHash('sha256').update(tpm.spki).digest('base64'),
        aikValidated: true,
        rp_id: 'party',
        secureBootEnabled: true,
        tpmVersion: 2,
        'x-strongroom-vmid': tpm.vmId,
      },
      byNameOnly: [],
      shortcomings: [],
    })
    const pcrs = extended(records)
    const { PCRs } = policyClaims!['pcrs'] as { PCRs: unknown[] }
    expect(PCRs).toEqual([...pcrs].map(([Index, value]) => ({ Index, Digests: { SHA256: toHex(value) } })))
    expect((policyClaims!['events'] as { Events: unknown[] }).Events).toHaveLength(records.length)
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const message = tpm.quote(pcrs, { nonce: sent.challenge.challenge })
    expect(record).toEqual({
      own: {
        tpmQuote: {
          quoteMessage: base64(message),
          quoteSignature: base64(tpm.signature(message)),
          pcrs: Object.fromEntries([...pcrs].map(([pcr, value]) => [String(pcr), toHex(value)])),
          eventLog: base64(sent.bootLog),
        },
        attestationKeyChain: pem(tpm.certificate) + pem(Buffer.from(tpm.caPem.replaceAll(/-.*-|\s/g, ''), 'base64')),
      },
      shared: {},
    })
  })

  it('confirms the key of its request where it signed that with the challenge, and no other', async () => {
    const challenge = await challenges.issue(provider)
    const bound = async (key: object): Promise<Uint8Array> => {
      const thumbprint = Buffer.from(await calculateJwkThumbprint(key), 'base64url')
      return createHash('sha256').update(challenge.challenge).update(thumbprint).digest()
    }
    const sent = await request({ challenge, nonce: await bound(tpm.encryptionJwk) })
    const { claims } = await verifier('simulated').verify(provider, sent)
    expect(claims['cnf']).toEqual({ jwk: tpm.encryptionJwk })
    expect(await judged(await request({ challenge, nonce: await bound(tpm.jwk) }))).toEqual([
      'request.current_claim',
      'NonceMismatch',
    ])
  })

  it('counts for nothing in a hardware installation, whatever it says', async () => {
    expect(await judged(await request(), 'hardware')).toEqual(['type', 'HardwareReportMissing'])
  })

  it('is refused by the member at fault', async () => {
    const challenge = { ...(await challenges.issue(provider)), challenge: new Uint8Array(32) }
    expect(await judged(await request({ challenge }))).toEqual(['challenge', 'ChallengeUnknown'])
    for (const [change, at, reason] of [
      [{ akPublic: { kty: 'EC' } }, 'request.aik_cert', 'UnknownType'],
      [{ akPublic: tpm.encryptionJwk }, 'request.aik_cert', 'BindingMismatch'],
      [{ akCertificate: new Uint8Array(8) }, 'request.aik_cert', expect.any(String)],
      [{ currentClaim: new Uint8Array(64) }, 'request.current_claim', 'WrongMagic'],
      [{ bootLog: new Uint8Array(8) }, 'request.srtm_boot_log', expect.any(String)],
      [{ bootLog: eventLog(records.slice(1)) }, 'request.srtm_boot_log', 'EventLogMismatch'],
    ] as const)
      expect(await judged(await request({}, change as Partial<TpmRequest>))).toEqual([at, reason])
    const certified = await request({ message: () => tpm.certify(tpm.akPublic) })
    expect(await judged(certified)).toEqual(['request.current_claim', 'TpmTypeMismatch'])
  })

  it('shows registers of what runs on the firmware, whose log is not held to them', async () => {
    const loaded = [8, 9].map((pcr) => ({ pcr, type: 13, data: Uint8Array.of(pcr) }))
    // A boot loader logs what it extends; what it starts extends the same registers without a log.
    const measured = [...records, ...loaded, ...loaded]
    const sent = await request({ measured, beside: [8, 9] }, { bootLog: eventLog([...records, ...loaded]) })
    const { policyClaims } = await verifier('simulated').verify(provider, sent)
    const { PCRs } = policyClaims!['pcrs'] as { PCRs: { Index: number }[] }
    expect(PCRs.map(({ Index }) => Index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    // The firmware's are, each of them.
    for (const pcr of [0, 7]) {
      const moved = await request({ measured: [...records, { pcr, type: 13, data: Uint8Array.of(1) }] })
      expect(await judged(moved)).toEqual(['request.srtm_boot_log', 'EventLogMismatch'])
    }
  })

  it('answers each challenge once, and none of a boot that is over (attack K1)', async () => {
    const challenge = await challenges.issue(provider)
    expect(await judged(await request({ challenge }))).toBe('taken')
    const replayed = ['request.current_claim', 'StatementReplayed']
    expect(await judged(await request({ challenge, statement: { clock: 2000n } }))).toEqual(replayed)
    expect(await judged(await request({ statement: { clock: 2000n } }))).toBe('taken')
    const over = ['request.current_claim', 'StatementBeforeRestart']
    for (const statement of [{ resetCount: 4 }, { restartCount: 6 }])
      expect(await judged(await request({ statement }))).toEqual(over)
    for (const statement of [{ restartCount: 8 }, { resetCount: 6 }])
      expect(await judged(await request({ statement }))).toBe('taken')
  })
})
