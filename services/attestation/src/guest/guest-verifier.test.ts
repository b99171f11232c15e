import { createHash } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { AmdCollateral } from '../collateral/amd.ts'
import { IntelCollateral } from '../collateral/intel.ts'
import { openAnchors } from '../anchors/anchors.ts'
import { SnpVerifier } from '../evidence/snp.ts'
import { TcbMinimum } from '../evidence/tcb-minimum.ts'
import { TdxVerifier } from '../evidence/tdx.ts'
import { bootRecords, eventLog, type LogRecord } from '../testing/guest-log.ts'
import { snpProof } from '../testing/guest.ts'
import { boundTo, firmwareIsThere, silicon } from '../testing/harness.ts'
import { certifySoftTpm, extended, SoftTpm, type StatementParts } from '../testing/soft-tpm.ts'
import { openTestFreshness } from '../testing/test-freshness.ts'
import { AttestationKeyAuthorities } from '../tpm/ak-certificate.ts'
import { GuestVerifier } from './guest-verifier.ts'

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('base64')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const debugPolicy = 0xb001fn

/** Statements of a software attestation key, each with one fault; ../guest.test.ts uses a real TPM. */
describe.skipIf(!firmwareIsThere)('a guest’s statements', () => {
  const clock = { now: () => new Date() }
  const records = bootRecords()
  let tpm: SoftTpm
  let placed: Awaited<ReturnType<typeof certifySoftTpm>>
  let verifier: (mode?: 'simulated' | 'hardware') => GuestVerifier
  beforeEach(async () => {
    tpm = await SoftTpm.make()
    const freshness = await openTestFreshness(clock)
    const anchors = openAnchors((await silicon()).anchors, 'simulated')
    const common = { anchors, baseline: { launchMeasurements: [], idKeyDigests: [] }, clock, context: {} }
    const snp = new SnpVerifier({ ...common, collateral: new AmdCollateral([]), tcbMinimum: new TcbMinimum() })
    const tdx = new TdxVerifier({ ...common, collateral: new IntelCollateral([]) })
    placed = await kept('placed-soft-tpm', async () => await certifySoftTpm(2))
    const authorities = new AttestationKeyAuthorities({ pem: [tpm.caPem, placed.caPem], context: {} })
    verifier = (mode = 'simulated') => new GuestVerifier({ authorities, snp, tdx, freshness, clock, mode })
  })

  interface Parts {
    measured?: readonly LogRecord[]
    /** Quoted registers other than the firmware's. */
    beside?: readonly number[]
    quote?: StatementParts
    certify?: StatementParts
    /** Signature form: the TPM's structure, as tpm2-tools write it, or the stock library's bare signature. */
    signed?: 'bare' | 'structure'
    isolation?: unknown
    payload?: unknown
    log?: Uint8Array
    /** Members of TpmInfo. */
    tpm?: Record<string, unknown>
  }
  const body = async (o: Parts = {}): Promise<Record<string, unknown>> => {
    const all = extended(o.measured ?? records)
    const pcrs = new Map([...all].filter(([pcr]) => pcr < 8 || o.beside?.includes(pcr)))
    const object = await tpm.encryptionKey(pcrs)
    const [quote, certify] = [tpm.quote(pcrs, o.quote), tpm.certify(object, o.certify)]
    const signature = (message: Uint8Array): string =>
      base64(o.signed === 'structure' ? tpm.signature(message) : tpm.sign(message))
    const info = {
      AttestationProtocolVersion: '2.0',
      OSType: base64('Linux'),
      OSDistro: base64('Debian'),
      OSVersionMajor: 13,
      OSVersionMinor: 1,
      OSBuild: base64('1'),
      TcgLogs: base64(o.log ?? eventLog(records)),
      ClientPayload: o.payload ?? {},
      TpmInfo: {
        AikCert: base64(tpm.certificate),
        AikPub: base64(tpm.akPublic),
        PcrQuote: base64(quote),
        PcrSignature: signature(quote),
        EncKeyPub: base64(object),
        EncKeyCertifyInfo: base64(certify),
        EncKeyCertifyInfoSignature: signature(certify),
        PcrSet: [...pcrs.keys()],
        PCRs: [...pcrs].map(([Index, digest]) => ({ Index, Digest: base64(digest) })),
        ...o.tpm,
      },
      IsolationInfo: o.isolation ?? { Type: 'TrustedLaunch' },
    }
    return { AttestationInfo: base64(JSON.stringify(info)) }
  }
  const verify = async (o: Parts = {}): ReturnType<GuestVerifier['verify']> =>
    await verifier().verify(await body(o), { caller: undefined })
  /** Target and reason of the refusal; `taken` if accepted. */
  const judged = async (o: Parts = {}, mode?: 'simulated' | 'hardware'): Promise<unknown> => {
    const error: unknown = await verifier(mode)
      .verify(await body(o), { caller: undefined })
      .then(
        () => undefined,
        (cause: unknown) => cause,
      )
    if (error === undefined) return 'taken'
    if (!(error instanceof ServiceError)) throw error
    expect([error.status, error.code]).toEqual([400, 'InvalidParameter'])
    return [error.target, error.details?.[0]?.code]
  }
  const claimsOf = (change: { vmUniqueId?: unknown; key?: object; 'placement-epoch'?: unknown } = {}): Uint8Array => {
    const { key = tpm.jwk, ...configuration } = change
    const keys = [{ kid: 'HCLAkPub', key_ops: ['sign'], ...key }]
    return bytes(JSON.stringify({ keys, 'vm-configuration': { vmUniqueId: tpm.vmId, ...configuration } }))
  }
  const onSnp = async (claims = claimsOf(), policy?: bigint): Promise<object> => ({
    Type: 'SevSnp',
    Evidence: { Proof: await snpProof(boundTo(claims), policy), RunTimeData: base64(claims) },
  })

  it('of Trusted Launch are told by what they show, and by nothing of hardware', async () => {
    const sent = await body({ payload: { nonce: base64('n') } })
    const { evidence, encryptionKey } = await verifier().verify(sent, { caller: undefined })
    const { record, policyClaims, ...rest } = evidence
    expect(encryptionKey.export({ format: 'jwk' })).toEqual(tpm.encryptionJwk)
    expect(rest).toStrictEqual({
      type: 'AzureGuest',
      attestationType: 'azurevm',
      simulated: true,
      digest: createHash('sha256')
        .update(Buffer.from(String(sent['AttestationInfo']), 'base64'))
        .digest('hex'),
      claims: expect.objectContaining({
        secureboot: true,
        'x-ms-azurevm-vmid': tpm.vmId,
        'x-ms-runtime': {
          'client-payload': { nonce: base64('n') },
          keys: [{ ...tpm.encryptionJwk, key_ops: ['encrypt'], kid: 'TpmEphemeralEncryptionKey' }],
        },
      }),
      byNameOnly: [],
      shortcomings: [],
    })
    expect(rest.claims).not.toHaveProperty('x-ms-isolation-tee')
    expect(policyClaims!['pcrs']).toMatchObject({ PCRs: { length: 8, 7: { Index: 7 } } })
    expect(record.own).toMatchObject({
      tpmQuote: { quoteMessage: base64(tpm.quote(extended(records))), eventLog: base64(eventLog(records)) },
      attestationKeyChain: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\n/),
    })
    expect((await verify({ quote: { clock: 1001n } })).evidence.claims['x-ms-runtime']).not.toHaveProperty(
      'client-payload',
    )
  })

  it('count for nothing without hardware in a hardware installation', async () => {
    expect(await judged({}, 'hardware')).toEqual(['IsolationInfo.Type', 'HardwareReportMissing'])
    const { evidence } = await verifier('hardware').verify(await body({ isolation: await onSnp() }), {
      caller: undefined,
    })
    // The root determines what the silicon is, not the installation.
    expect(evidence.simulated).toBe(true)
  })

  it('on SNP have the claims of the hardware below a name of theirs, and its weaknesses to be named there', async () => {
    const { evidence } = await verify({ isolation: await onSnp(claimsOf(), debugPolicy) })
    expect(evidence.claims['x-ms-isolation-tee']).toMatchObject({
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-sevsnpvm-is-debuggable': true,
    })
    expect(evidence.isolation).toMatchObject({ type: 'SevSnpVm' })
    expect(evidence.record.own).toHaveProperty('hclReport')
    expect(evidence.byNameOnly).toContainEqual({
      claim: 'x-ms-sevsnpvm-is-debuggable',
      message: expect.any(String),
      within: 'x-ms-isolation-tee',
    })
    expect(evidence.shortcomings.map(({ path }) => path)).toContain('x-ms-isolation-tee.policy.debugAllowed')
  })

  it('on TDX are judged by their quote', async () => {
    const isolation = { Type: 'Tdx', Evidence: { Proof: base64(bytes('no quote')), RunTimeData: base64(claimsOf()) } }
    expect(await judged({ isolation })).toEqual(['quote', expect.any(String)])
  })

  it('are of the VM and the key that the hardware binds', async () => {
    const at = ['IsolationInfo.Evidence.RunTimeData', 'BindingMismatch']
    for (const change of [{ key: tpm.encryptionJwk }, { vmUniqueId: tpm.vmId.replace('A', 'B') }, { vmUniqueId: 7 }])
      expect(await judged({ isolation: await onSnp(claimsOf(change)) })).toEqual(at)
    // In any spelling of the VM's id.
    const isolation = await onSnp(claimsOf({ vmUniqueId: tpm.vmId.toLowerCase() }))
    expect(await judged({ isolation })).toBe('taken')
  })

  it('are of the placement at which the key was certified, and of none if it names none (attack W49)', async () => {
    const at = async (epoch: unknown, tpm: Record<string, unknown> = {}, clock = 1000n): Promise<unknown> => {
      const claims = claimsOf(epoch === undefined ? {} : { 'placement-epoch': epoch })
      return await judged({ isolation: await onSnp(claims), tpm, quote: { clock } })
    }
    const mismatch = ['IsolationInfo.Evidence.RunTimeData', 'BindingMismatch']
    const second = { AikCert: base64(placed.certificate) }
    expect(await at(2, second)).toBe('taken')
    for (const other of [1, 3, undefined, null]) expect(await at(other, second, 1001n)).toEqual(mismatch)
    expect(await at(2, {}, 1002n)).toEqual(mismatch)
    expect(await at(undefined, {}, 1003n)).toBe('taken')
  })

  it('are refused by the member at fault', async () => {
    const bare = base64(new Uint8Array(256).fill(1))
    for (const [change, at, reason] of [
      [{ AikCert: base64(new Uint8Array(8)) }, 'TpmInfo.AikCert', expect.any(String)],
      [{ AikPub: base64(await tpm.encryptionKey(extended())) }, 'TpmInfo.AikCert', 'TpmKeyNotAllowed'],
      [{ PcrQuote: base64(new Uint8Array(8)) }, 'TpmInfo.PcrQuote', 'WrongMagic'],
      [{ PcrSignature: bare }, 'TpmInfo.PcrQuote', 'TpmSignatureInvalid'],
      [{ EncKeyCertifyInfo: base64(new Uint8Array(8)) }, 'TpmInfo.EncKeyCertifyInfo', 'WrongMagic'],
      [{ EncKeyCertifyInfoSignature: bare }, 'TpmInfo.EncKeyCertifyInfo', 'TpmSignatureInvalid'],
    ] as const)
      expect(await judged({ tpm: change })).toEqual([at, reason])
    expect(await judged({ log: eventLog(records.slice(1)) })).toEqual(['TcgLogs', 'EventLogMismatch'])
    expect(await judged({ log: new Uint8Array(8) })).toEqual(['TcgLogs', expect.any(String)])
  })

  it('are signed barely, or in the structure of the TPM', async () => {
    expect(await judged({ signed: 'structure' })).toBe('taken')
    expect(await judged({ quote: { clock: 1001n }, signed: 'bare' })).toBe('taken')
    // Anything else is parsed as the structure, and fails.
    for (const length of [128, 255, 257, 300])
      expect(await judged({ tpm: { PcrSignature: base64(new Uint8Array(length).fill(1)) } })).toEqual([
        'TpmInfo.PcrQuote',
        'UnknownType',
      ])
  })

  it('quote over nothing, or over the nonce of the payload', async () => {
    const payload = { nonce: base64('once') }
    expect(await judged({ payload })).toBe('taken')
    expect(await judged({ payload, quote: { nonce: bytes('once'), clock: 1001n } })).toBe('taken')
    const mismatch = ['TpmInfo.PcrQuote', 'NonceMismatch']
    for (const other of [{}, { nonce: '' }, { nonce: base64('twice') }])
      expect(await judged({ payload: other, quote: { nonce: bytes('once'), clock: 1002n } })).toEqual(mismatch)
    expect(await judged({ payload: { nonce: { a: base64('once') } } })).toEqual(['ClientPayload.nonce', undefined])
    // What a key is certified over is irrelevant: tpm2-tools write a constant.
    expect(await judged({ certify: { nonce: bytes('constant') }, quote: { clock: 1003n } })).toBe('taken')
  })

  it('are of one boot, over the same registers', async () => {
    const at = ['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch']
    for (const certify of [{ resetCount: 6 }, { restartCount: 8 }]) expect(await judged({ certify })).toEqual(at)
    const other = await tpm.encryptionKey(extended(records.slice(1)))
    const statement = tpm.certify(other)
    expect(
      await judged({
        tpm: {
          EncKeyPub: base64(other),
          EncKeyCertifyInfo: base64(statement),
          EncKeyCertifyInfoSignature: base64(tpm.sign(statement)),
        },
      }),
    ).toEqual(at)
  })

  it('show registers of what runs on the firmware, whose log is not held to them', async () => {
    const loaded = [8, 9].map((pcr) => ({ pcr, type: 13, data: Uint8Array.of(pcr) }))
    // A boot loader logs what it extends; what it starts extends the same registers without a log.
    const { evidence } = await verify({
      measured: [...records, ...loaded, ...loaded],
      beside: [8, 9],
      log: eventLog([...records, ...loaded]),
    })
    expect(evidence.claims['x-ms-azurevm-attested-pcrs']).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const moved = [...records, { pcr: 7, type: 13, data: Uint8Array.of(1) }]
    expect(await judged({ measured: moved })).toEqual(['TcgLogs', 'EventLogMismatch'])
    // Without a log there are no claims about the boot.
    const silent = await verify({ log: new Uint8Array(), quote: { clock: 1001n } })
    expect(silent.evidence.claims).not.toHaveProperty('secureboot')
    expect(silent.evidence.record.own['tpmQuote']).not.toHaveProperty('eventLog')
  })

  it('are taken once, by the quote alone, and none of a boot that is over (attacks K1, V8, W10)', async () => {
    expect(await judged()).toBe('taken')
    const replayed = ['TpmInfo.PcrQuote', 'StatementReplayed']
    expect(await judged({ certify: { clock: 2000n } })).toEqual(replayed)
    expect(await judged({ quote: { clock: 2000n } })).toBe('taken')
    const over = ['TpmInfo.PcrQuote', 'StatementBeforeRestart']
    for (const statement of [{ resetCount: 4 }, { restartCount: 6 }])
      expect(await judged({ quote: statement, certify: statement })).toEqual(over)
  })
})
