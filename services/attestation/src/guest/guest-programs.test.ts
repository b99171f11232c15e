import { parseCertificate, parseTdxQuote, readPckExtension, toBase64Url, toHex } from '@strongroom/evidence'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tpmIsThere } from '../testing/guest-tpm.ts'
import { guestPath, tdxQuote, TestGuest, testAuthority, type RequestParts } from '../testing/guest.ts'
import {
  boundTo,
  chainPem,
  firmwareIsThere,
  openService,
  serveCollateral,
  serveTdxCollateral,
  silicon,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

type Claims = Record<string, unknown>

/** Members that `print_*_claims` of src/attestation_provider.py read: the tool fails if one is absent. */
const printed = {
  SevSnp: [
    'x-ms-attestation-type',
    'x-ms-compliance-status',
    'x-ms-sevsnpvm-bootloader-svn',
    'x-ms-sevsnpvm-guestsvn',
    'x-ms-sevsnpvm-microcode-svn',
    'x-ms-sevsnpvm-snpfw-svn',
    'x-ms-sevsnpvm-tee-svn',
    'x-ms-sevsnpvm-reportdata',
  ],
  Tdx: [
    'x-ms-attestation-type',
    'x-ms-compliance-status',
    'attester_tcb_status',
    'tdx_mrseam',
    'tdx_report_data',
    'tdx_seamsvn',
    'tdx_td_attributes',
    'tdx_tee_tcb_svn',
  ],
} as const

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64')
/** TPM2B_NAMEs of the key, which the tool's TPM2_ReadPublic response has after the public area. */
const names = Buffer.concat([
  Buffer.from('0022000b', 'hex'),
  Buffer.alloc(32, 1),
  Buffer.from('0022000b', 'hex'),
  Buffer.alloc(32, 2),
])

/** `GuestAttestationParameters.toJson` and what it calls, of Azure/cvm-attestation-tools at 1f543f7. */
function pythonBody(parts: RequestParts, isolation: unknown): { AttestationInfo: string } {
  const info = {
    AttestationProtocolVersion: '2.0',
    OSType: base64('Linux'),
    OSDistro: base64('Debian'),
    OSVersionMajor: '13',
    OSVersionMinor: '1',
    OSBuild: base64('NotApplication'),
    TcgLogs: base64(parts.log),
    ClientPayload: base64(''),
    TpmInfo: {
      AikCert: base64(parts.akCertificate),
      AikPub: base64(Buffer.concat([parts.akPublic, names])),
      PcrQuote: base64(parts.quote.message),
      PcrSignature: base64(parts.quote.signature),
      EncKeyPub: base64(parts.key.publicArea),
      EncKeyCertifyInfo: base64(parts.key.message),
      EncKeyCertifyInfoSignature: base64(parts.key.signature),
      PcrSet: [...parts.pcrs.keys()],
      PCRs: [...parts.pcrs].map(([Index, digest]) => ({ Index, Digest: base64(digest) })),
    },
    IsolationInfo: isolation,
  }
  return { AttestationInfo: toBase64Url(Buffer.from(JSON.stringify(info))) }
}

/** `GuestAttestationParameters` of Azure/azure-guest-attestation-sdk at 5efec76, serialised by serde. */
function rustBody(parts: RequestParts, isolation: unknown): { AttestationInfo: string } {
  const body = pythonBody(parts, isolation)
  const info = JSON.parse(Buffer.from(body.AttestationInfo, 'base64url').toString('utf8')) as Record<string, unknown>
  const TpmInfo = { ...(info['TpmInfo'] as object), AikPub: base64(parts.akPublic) }
  const sent = { ...info, OSVersionMajor: 13, OSVersionMinor: 0, ClientPayload: { nonce: base64('n') }, TpmInfo }
  return { AttestationInfo: toBase64Url(Buffer.from(JSON.stringify(sent))) }
}

describe.skipIf(!firmwareIsThere || !tpmIsThere)(
  'Microsoft’s guest programs in Python (cvm-attestation-tools) and Rust',
  () => {
    let test: TestService
    let authority: Awaited<ReturnType<typeof testAuthority>>
    let guest: TestGuest

    beforeAll(async () => {
      const processor = await silicon()
      authority = await testAuthority()
      test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
      await serveCollateral(test.collateral, processor)
      const { certification } = parseTdxQuote(await tdxQuote(new Uint8Array(64)))
      if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
      const { fmspc } = readPckExtension(parseCertificate(certification.chain[0]!))
      await serveTdxCollateral(test.collateral, await processor.intel.collateral(), toHex(fmspc))
      guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
    })
    afterAll(async () => {
      await guest?.close()
      await test?.close()
      await authority?.remove()
    })

    /** The hardware's evidence in base64url without padding; for SNP with its certificates. */
    const evidence = async (type: 'SevSnp' | 'Tdx'): Promise<Uint8Array> => {
      const reportData = boundTo(guest.claims)
      if (type === 'Tdx') return await tdxQuote(reportData)
      const chain = toBase64Url(Buffer.from(await chainPem()))
      const SnpReport = toBase64Url(await snpReport({ reportData }))
      return Buffer.from(JSON.stringify({ SnpReport, VcekCertChain: chain }))
    }
    const expectPrinted = (claims: Claims, type: 'SevSnp' | 'Tdx'): void => {
      for (const name of printed[type]) expect(claims, name).toHaveProperty([name])
      expect(claims).toHaveProperty(['x-ms-runtime', 'vm-configuration', 'tpm-persisted'])
      expect(claims).toHaveProperty(['x-ms-runtime', 'user-data'], '0'.repeat(128))
      expect(claims['x-ms-compliance-status']).toBe('azure-compliant-cvm')
    }

    it.each([
      ['SevSnp', '/attest/SevSnpVm?api-version=2022-08-01', 'report'],
      ['Tdx', '/attest/TdxVm?api-version=2023-04-01-preview', 'quote'],
    ] as const)(
      'gets the platform attested as it asks, and a token that it can print: %s (attack W19)',
      async (type, path, member) => {
        const runtimeData = { data: toBase64Url(guest.claims), dataType: 'JSON' }
        const { status, body } = await test.post(path, { [member]: toBase64Url(await evidence(type)), runtimeData })
        expect(status, JSON.stringify(body)).toBe(200)
        expectPrinted(decodeJwt((body as { token: string }).token), type)
      },
    )

    it.each(['SevSnp', 'Tdx'] as const)(
      'gets the guest attested as it asks, and a token that it can print: %s (attack W19)',
      async (type) => {
        const parts = await guest.parts({ isolation: type })
        // SNP goes in base64url, TDX in base64.
        const encode = type === 'SevSnp' ? toBase64Url : base64
        const Evidence = { Proof: encode(await evidence(type)), RunTimeData: encode(guest.claims) }
        const { status, body } = await test.post(guestPath, pythonBody(parts, { Type: type, Evidence }))
        expect(status, JSON.stringify(body)).toBe(200)
        const claims = decodeJwt(await guest.tpm.open((body as { token: string }).token, parts.key))
        expectPrinted(claims['x-ms-isolation-tee'] as Claims, type)
      },
    )

    it.each([
      ['SevSnp', '/attest/SevSnpVm?api-version=2023-04-01-preview', 'report'],
      ['Tdx', '/attest/TdxVm?api-version=2023-04-01-preview', 'quote'],
    ] as const)(
      'is told by policy what it lacks where the library in Rust sends empty runtime data for the platform: %s (attack W19)',
      async (type, path, member) => {
        const snp = {
          SnpReport: base64(await snpReport({ reportData: boundTo(guest.claims) })),
          VcekCertChain: base64(await chainPem()),
        }
        const sent = type === 'Tdx' ? await evidence(type) : Buffer.from(JSON.stringify(snp))
        const runtimeData = { data: '', dataType: 'JSON' }
        const { status, body } = await test.post(path, { [member]: base64(sent), runtimeData })
        // Empty counts as absent: the evidence is judged, and the default policy requires a machine that identifies itself.
        expect([status, body.error?.code, body.error?.details]).toEqual([
          400,
          'PolicyEvaluationError',
          [
            {
              code: 'NotCompliant',
              message: 'The evidence has no JSON runtime data.',
              target: 'x-ms-runtime',
            },
          ],
        ])
      },
    )

    it.each(['SevSnp', 'Tdx', 'TrustedLaunch'] as const)(
      'gets the guest attested as the library in Rust asks: %s (attack W19)',
      async (type) => {
        const parts = await guest.parts(type === 'TrustedLaunch' ? {} : { isolation: type })
        const encode = type === 'SevSnp' ? toBase64Url : base64
        const Evidence =
          type === 'TrustedLaunch'
            ? undefined
            : { Proof: encode(await evidence(type)), RunTimeData: encode(guest.claims) }
        const { status, body } = await test.post(
          guestPath,
          rustBody(parts, { Type: type, ...(Evidence && { Evidence }) }),
        )
        expect(status, JSON.stringify(body)).toBe(200)
        // The library opens the answer with the key it created from the same registers.
        const claims = decodeJwt(await guest.tpm.open((body as { token: string }).token, parts.key))
        expect('x-ms-isolation-tee' in claims).toBe(type !== 'TrustedLaunch')
      },
    )
  },
)
