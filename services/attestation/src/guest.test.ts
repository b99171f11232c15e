import { parseTdxQuote, parseCertificate, readPckExtension, toHex } from '@strongroom/evidence'
import { decodeJwt, createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventLog } from './testing/guest-log.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { guestBody, guestPath, TestGuest, testAuthority, tdxQuote, type RequestParts } from './testing/guest.ts'
import {
  boundTo,
  firmwareIsThere,
  issuer,
  openService,
  serveCollateral,
  serveTdxCollateral,
  silicon,
  type Answer,
  type TestService,
} from './testing/harness.ts'

const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'

describe.skipIf(!firmwareIsThere || !tpmIsThere)('attesting from inside a guest', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let guest: TestGuest
  let other: TestGuest

  const post = async (parts: RequestParts, change: Partial<RequestParts> = {}): Promise<Answer> =>
    test.post(guestPath, guestBody({ ...parts, ...change }))
  const claimsFor = async (parts: RequestParts, change: Partial<RequestParts> = {}): Promise<JWTPayload> => {
    const answer = await post(parts, change)
    expect(answer.body).toEqual({ token: expect.any(String) })
    return decodeJwt(await guest.tpm.open(answer.body.token, parts.key))
  }
  const refusal = async (parts: RequestParts, change: Partial<RequestParts> = {}): Promise<[string, string]> => {
    const answer = await post(parts, change)
    expect(answer.status).toBe(400)
    expect(answer.body.error.code).toBe('InvalidParameter')
    return [answer.body.error.target, answer.body.error.details?.[0]?.code]
  }

  beforeAll(async () => {
    const processor = await silicon()
    authority = await testAuthority()
    test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
    await serveCollateral(test.collateral, processor)
    const quote = parseTdxQuote(await tdxQuote(new Uint8Array(64)))
    if (quote.certification.type !== 'pckChain') throw new Error('the quote has no chain')
    const { fmspc } = readPckExtension(parseCertificate(quote.certification.chain[0]!))
    await serveTdxCollateral(test.collateral, await processor.intel.collateral(), toHex(fmspc))
    guest = await TestGuest.boot({ authority, vmId })
    other = await TestGuest.boot({ authority, vmId: 'BBBBBBBB-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
  }, 240_000)
  afterAll(async () => {
    await guest?.close()
    await other?.close()
    await test?.close()
    await authority?.remove()
  })

  it('gives a guest on SNP a token that its own TPM opens, with the hardware’s claims nested', async () => {
    const parts = await guest.parts({ nonce: 'a nonce of the relying party' })
    const answer = await post(parts)
    expect(answer.status).toBe(200)
    const jwt = await guest.tpm.open(answer.body.token, parts.key)
    const { body: keys } = await test.call('GET', '/certs')
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(keys), { issuer })
    expect(payload).toMatchObject({
      secureboot: true,
      'x-ms-attestation-type': 'azurevm',
      'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
      'x-ms-azurevm-dbvalidated': true,
      'x-ms-azurevm-dbxvalidated': true,
      'x-ms-azurevm-debuggersdisabled': true,
      'x-ms-azurevm-default-securebootkeysvalidated': true,
      'x-ms-azurevm-vmid': vmId,
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': 'sevsnpvm',
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-runtime': { 'vm-configuration': { vmUniqueId: vmId } },
      },
      'x-ms-runtime': {
        'client-payload': { nonce: Buffer.from('a nonce of the relying party').toString('base64') },
        keys: [{ kid: 'TpmEphemeralEncryptionKey', key_ops: ['encrypt'], kty: 'RSA', e: 'AQAB' }],
      },
    })
    expect(payload['x-ms-compliance-status']).toBeUndefined()
  })

  it('gives a guest on TDX the same with the claims of its quote', async () => {
    const payload = await claimsFor(await guest.parts({ isolation: 'Tdx' }))
    expect(payload['x-ms-isolation-tee']).toMatchObject({
      'x-ms-attestation-type': 'tdxvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      attester_tcb_status: 'UpToDate',
    })
  })

  it('takes a nonce that the TPM signed, and no other than the one of the payload (attack V3)', async () => {
    const parts = await guest.parts({ nonce: 'signed', signNonce: true })
    const changed = { clientPayload: { nonce: Buffer.from('another').toString('base64') } }
    expect(await refusal(parts, changed)).toEqual(['TpmInfo.PcrQuote', 'NonceMismatch'])
    expect(await refusal(parts, { clientPayload: {} })).toEqual(['TpmInfo.PcrQuote', 'NonceMismatch'])
    await claimsFor(parts)
  })

  it('seals its answer so that no other TPM opens it, nor this one once a register has changed (attack K2)', async () => {
    const parts = await guest.parts()
    const { body } = await post(parts)
    const foreign = await other.tpm.ephemeralKey(parts.key.pcrs)
    await expect(other.tpm.open(body.token, foreign)).rejects.toThrow()
    const moved = await TestGuest.boot({ authority, vmId })
    try {
      const own = await moved.parts()
      const sealed = await post(own)
      await moved.tpm.measure([{ pcr: 4, type: 13, data: Uint8Array.of(1) }])
      await expect(moved.tpm.open(sealed.body.token, own.key)).rejects.toThrow()
    } finally {
      await moved.close()
    }
  })

  it('says nothing of hardware where the guest shows none, and never passes it for confidential (attack K11)', async () => {
    const payload = await claimsFor(await guest.parts({ isolation: 'TrustedLaunch' }))
    expect(payload['x-ms-isolation-tee']).toBeUndefined()
    expect(payload['x-ms-compliance-status']).toBeUndefined()
    const parts = await guest.parts()
    expect(await refusal(parts, { isolation: { Type: 'SevSnp' } })).toEqual(['IsolationInfo.Evidence', undefined])
    expect(
      (await post(parts, { isolation: { Type: 'SevSnp', Evidence: { Proof: 'AAAA', RunTimeData: 'e30=' } } })).status,
    ).toBe(400)
    expect((await post(parts, { isolation: undefined })).status).toBe(400)
  })

  it('takes each statement of a TPM once (attack K1)', async () => {
    const parts = await guest.parts({ nonce: 'once' })
    expect((await post(parts)).status).toBe(200)
    expect(await refusal(parts)).toEqual(['TpmInfo.PcrQuote', 'StatementReplayed'])
    const fresh = await guest.parts()
    // An old key with a new quote is accepted: neither pair was seen, and both are from this boot.
    expect((await post(fresh, { key: parts.key })).status).toBe(200)
  })

  it('takes no old quote for a new statement by the key that came with another (attack W10)', async () => {
    const [first, second] = [await guest.parts(), await guest.parts()]
    for (const parts of [first, second]) expect((await post(parts)).status).toBe(200)
    expect(await refusal(first, { key: second.key })).toEqual(['TpmInfo.PcrQuote', 'StatementReplayed'])
    expect(await refusal(second, { key: first.key })).toEqual(['TpmInfo.PcrQuote', 'StatementReplayed'])
    // Nor by a previously unseen key.
    const unseen = await guest.parts()
    expect(await refusal(first, { key: unseen.key })).toEqual(['TpmInfo.PcrQuote', 'StatementReplayed'])
  })

  it('refuses what a TPM said before it restarted, whole or in part (attack V8)', async () => {
    const restarted = await TestGuest.boot({ authority, vmId })
    try {
      const before = await restarted.parts()
      await restarted.tpm.restart()
      await restarted.tpm.measure(restarted.records)
      const after = await restarted.parts()
      expect(await refusal(after, { quote: before.quote })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch'])
      expect(await refusal(after, { key: before.key })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch'])
      expect((await post(after)).status).toBe(200)
      expect(await refusal(before)).toEqual(['TpmInfo.PcrQuote', 'StatementBeforeRestart'])
    } finally {
      await restarted.close()
    }
  })

  it('refuses the attestation key of another VM, whichever part of it is sent (attack V2)', async () => {
    const [own, foreign] = [await guest.parts(), await other.parts()]
    expect(await refusal(own, { quote: foreign.quote })).toEqual(['TpmInfo.PcrQuote', 'TpmSignatureInvalid'])
    expect(await refusal(own, { key: foreign.key })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'TpmSignatureInvalid'])
    expect(await refusal(own, { akCertificate: foreign.akCertificate })).toEqual(['TpmInfo.AikCert', 'BindingMismatch'])
    expect(await refusal(own, { akPublic: foreign.akPublic })).toEqual(['TpmInfo.AikCert', 'BindingMismatch'])
    // The TPM's part is another VM's; the hardware's report is this one's.
    expect(await refusal(foreign, { isolation: own.isolation })).toEqual([
      'IsolationInfo.Evidence.RunTimeData',
      'BindingMismatch',
    ])
  })

  it('refuses a certificate that the hardware’s claims contradict, of another use, or of another authority', async () => {
    const renamed = await TestGuest.boot({ authority, vmId, configuration: { vmUniqueId: other.vmId } })
    const unused = await TestGuest.boot({ authority, vmId, withoutUsage: true })
    const stranger = await testAuthority()
    const foreign = await TestGuest.boot({ authority: stranger, vmId })
    try {
      expect(await refusal(await renamed.parts())).toEqual(['IsolationInfo.Evidence.RunTimeData', 'BindingMismatch'])
      expect(await refusal(await unused.parts())).toEqual(['TpmInfo.AikCert', 'CertificateNotForThisUse'])
      expect(await refusal(await foreign.parts())).toEqual(['TpmInfo.AikCert', 'UntrustedRoot'])
    } finally {
      for (const each of [renamed, unused, foreign]) await each.close()
      await stranger.remove()
    }
  })

  it('refuses a register that was swapped, left out or made up (attack V3)', async () => {
    const parts = await guest.parts()
    const swapped = new Map([...parts.pcrs, [0, parts.pcrs.get(7)!], [7, parts.pcrs.get(0)!]] as [number, Uint8Array][])
    expect(await refusal(parts, { pcrs: swapped })).toEqual(['TpmInfo.PcrQuote', 'PcrDigestMismatch'])
    const fewer = new Map([...parts.pcrs].slice(0, 7))
    expect(await refusal(parts, { pcrs: fewer })).toEqual(['TpmInfo.PcrQuote', 'PcrSelectionMismatch'])
    const more = new Map([...parts.pcrs, [8, new Uint8Array(32)] as [number, Uint8Array]])
    expect(await refusal(parts, { pcrs: more })).toEqual(['TpmInfo.PcrQuote', 'PcrSelectionMismatch'])
    expect((await refusal(parts, { pcrs: new Map() }))[0]).toBe('TpmInfo.PCRs')
  })

  it('refuses the SHA-1 bank (attack V3)', async () => {
    const parts = await guest.parts()
    const quote = await guest.tpm.quote([...parts.pcrs.keys()], { bank: 'sha1' })
    const pcrs = await guest.tpm.registers([...parts.pcrs.keys()], 'sha1')
    expect(await refusal(parts, { quote, pcrs })).toEqual(['TpmInfo.PcrQuote', 'PcrSelectionMismatch'])
  })

  it('refuses a log that was edited: records changed, left out, added or moved (attack V4)', async () => {
    const parts = await guest.parts()
    const { records } = guest
    const at = records.findIndex((record) => record.pcr === 7)
    const off = { ...records[at]!, data: Uint8Array.from(records[at]!.data).fill(0, -1), measured: records[at]!.data }
    const edits: [string, typeof records][] = [
      ['Secure Boot said to be off, its digest kept', records.with(at, off)],
      ['left out', records.toSpliced(at, 1)],
      ['added', [...records, { pcr: 7, type: 5, data: Uint8Array.of(1) }]],
      ['moved', records.with(at, records[at + 1]!).with(at + 1, records[at]!)],
    ]
    for (const [name, edited] of edits)
      expect(await refusal(parts, { log: eventLog(edited) }), name).toEqual(['TcgLogs', 'EventLogMismatch'])
  })

  it('lets types in a log change no claim, and says nothing of what the log does not show (attacks V4, V5)', async () => {
    const parts = await guest.parts()
    const retyped = guest.records.map((record) => ({ ...record, type: record.type === 4 ? 4 : 13 }))
    const known = await claimsFor(parts, { log: eventLog(retyped) })
    expect(known).toMatchObject({ secureboot: true, 'x-ms-azurevm-dbvalidated': true })
    const unknown = await claimsFor(await guest.parts(), { log: new Uint8Array() })
    for (const name of ['secureboot', 'x-ms-azurevm-debuggersdisabled', 'x-ms-azurevm-testsigning-enabled'])
      expect(unknown[name], name).toBeUndefined()
  })

  it('refuses a key for the answer that an empty password opens, or that no register binds (attack V1)', async () => {
    const parts = await guest.parts()
    const pcrs = [...parts.pcrs.keys()]
    const fixed = 'fixedtpm|fixedparent|sensitivedataorigin'
    const open = await guest.tpm.ephemeralKey(pcrs, { attributes: `${fixed}|userwithauth|decrypt` })
    expect(await refusal(parts, { key: open })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'TpmKeyNotAllowed'])
    const unbound = await guest.tpm.ephemeralKey(pcrs, { bound: false })
    expect(await refusal(parts, { key: unbound })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch'])
    const fewer = await guest.tpm.ephemeralKey([0, 7])
    expect(await refusal(parts, { key: fewer })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch'])
    const uncertified = { ...parts.key, publicArea: unbound.publicArea }
    expect(await refusal(parts, { key: uncertified })).toEqual(['TpmInfo.EncKeyCertifyInfo', 'BindingMismatch'])
  })

  it('refuses a hardware report whose claims were exchanged (attack V2)', async () => {
    const parts = await guest.parts()
    const isolation = structuredClone(parts.isolation) as { Evidence: { RunTimeData: string } }
    isolation.Evidence.RunTimeData = Buffer.from(other.claims).toString('base64')
    expect(await refusal(parts, { isolation })).toEqual(['runtimeData', 'BindingMismatch'])
    expect(boundTo(other.claims)).not.toEqual(boundTo(guest.claims))
  })

  it('tells what a request lacks, in Azure’s envelope', async () => {
    const parts = await guest.parts()
    const old = await post(parts, { version: '1.0' })
    expect(old.body.error).toMatchObject({
      code: 'InvalidParameter',
      target: 'AttestationProtocolVersion',
      innererror: { expected: '2.0', found: '"1.0"', remedy: expect.any(String) },
    })
    for (const body of [{}, { AttestationInfo: 'e30' }, { AttestationInfo: '!' }, { AttestationInfo: 7 }])
      expect((await test.post(guestPath, body)).body.error.code).toBe('InvalidParameter')
    expect((await test.post('/attest/AzureGuest', guestBody(parts))).body.error.code).toBe('MissingApiVersionParameter')
  })

  it('takes no word of the host’s TPM, and none of simulated silicon, in a hardware installation (attacks V7, K10)', async () => {
    const strict = await openService({
      mode: 'hardware',
      anchors: { simulated: false, amd: [], intel: [] },
      attestationKeyAuthorities: [authority.caPem],
      collateral: test.collateral,
    })
    const reasonOf = async (parts: RequestParts): Promise<unknown> =>
      (await strict.post(guestPath, guestBody(parts))).body.error.details[0].code
    expect(await reasonOf(await guest.parts({ isolation: 'TrustedLaunch' }))).toBe('HardwareReportMissing')
    expect(await reasonOf(await guest.parts())).toBe('UntrustedRoot')
    await strict.close()
  })

  it('attests no guest where no authority of attestation keys was named (attack K5)', async () => {
    const strict = await openService({ anchors: (await silicon()).anchors })
    const answer = await strict.post(guestPath, guestBody(await guest.parts()))
    expect(answer.body.error.details[0].code).toBe('NoTrustAnchors')
    await strict.close()
  })
})
