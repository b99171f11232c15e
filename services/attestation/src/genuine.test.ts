import { existsSync, readFileSync } from 'node:fs'
import { parseHclReport, toHex, parseSnpReport } from '@strongroom/evidence'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AttestationOptions } from './index.ts'
import { unsignedPolicyJws } from './policy/stored-policy.ts'
import {
  claimsOf,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  snpBody,
  type TestService,
} from './testing/harness.ts'

const corpus = '/work/shared/evidence/confidential-containers-trustee'
const path = '/attest/SevSnpVm?api-version=2022-08-01'
/** What a policy needs to accept evidence whose root has no revocation list here, from a 2024 platform. */
const lenient =
  'version=1.0;authorizationrules{[type=="x-strongroom-revocation-checked", value==false] && ' +
  '[type=="x-strongroom-tcb-status", value=="OutOfDate"]=>permit();};'

describe.skipIf(!existsSync(`${corpus}/az-snp-vtpm/hcl-report.bin`))(
  'evidence of a genuine Azure VM (in /work/shared)',
  () => {
    let body: Record<string, unknown>
    let idKeyDigest: string
    let test: TestService | undefined

    const open = async (o: Partial<AttestationOptions> & { mode?: 'hardware' } = {}): Promise<TestService> => {
      const processor = await silicon()
      test = await openService({ anchors: processor.anchors, ...o })
      await serveCollateral(test.collateral, processor)
      await test.call('PUT', '/policies/SevSnpVm?api-version=2022-08-01', {
        token: ownerObjectId,
        contentType: 'text/plain',
        payload: unsignedPolicyJws(lenient),
      })
      return test
    }

    beforeAll(async () => {
      await silicon()
      const hcl = parseHclReport(Uint8Array.from(readFileSync(`${corpus}/az-snp-vtpm/hcl-report.bin`)))
      // VCEK, ASK and ARK, as the metadata service returns them.
      const pem = readFileSync(`${corpus}/az-snp-vtpm/vcek.pem`, 'utf8')
      body = snpBody(hcl.hardwareReport, { pem, runtime: hcl.claims })
      idKeyDigest = toHex(parseSnpReport(hcl.hardwareReport).idKeyDigest)
    })
    afterEach(() => test?.close())

    it('is verified beside simulated silicon, and is not called simulated', async () => {
      const claims = claimsOf(await (await open()).post(path, body))
      expect(claims['x-strongroom-simulated']).toBeUndefined()
      expect(claims).toMatchObject({
        'x-ms-attestation-type': 'sevsnpvm',
        'x-ms-sevsnpvm-familyId': '01000000000000000000000000000000',
        'x-ms-sevsnpvm-idkeydigest': idKeyDigest,
        'x-ms-sevsnpvm-bootloader-svn': 3,
        'x-ms-sevsnpvm-snpfw-svn': 8,
        'x-ms-sevsnpvm-microcode-svn': 115,
        'x-ms-sevsnpvm-vmpl': 0,
        'x-ms-runtime': { keys: expect.any(Array), 'vm-configuration': { vmUniqueId: expect.any(String) } },
        'x-strongroom-revocation-checked': false,
        'x-strongroom-product': 'Milan',
        'x-strongroom-tcb-status': 'OutOfDate',
        attester_advisory_ids: expect.arrayContaining(['AMD-SB-3005', 'AMD-SB-3015', 'AMD-SB-3019', 'AMD-SB-3030']),
      })
    })

    it('is never compliant here: anyone may rent such a machine and bind any VM id to a report', async () => {
      for (const baseline of [undefined, { idKeyDigests: [idKeyDigest], launchMeasurements: [] }]) {
        const service = await open(baseline === undefined ? {} : { baseline })
        const claims = claimsOf(await service.post(path, body))
        // With a known paravisor, the revocation list is still missing.
        expect(claims['x-ms-compliance-status']).toBeUndefined()
        await service.close()
      }
      test = undefined
    })

    it('is denied without a revocation list and with an old TCB unless the policy accepts each by name', async () => {
      const service = await open()
      for (const [rule, wanted] of [
        ['=>permit();', 'x-strongroom-tcb-status'],
        ['[type=="x-strongroom-tcb-status", value=="OutOfDate"]=>permit();', 'x-strongroom-revocation-checked'],
        ['[type=="x-strongroom-revocation-checked", value==false]=>permit();', 'x-strongroom-tcb-status'],
      ] as const) {
        await service.call('PUT', '/policies/SevSnpVm?api-version=2022-08-01', {
          token: ownerObjectId,
          contentType: 'text/plain',
          payload: unsignedPolicyJws(`version=1.0;authorizationrules{${rule}};`),
        })
        const answer = await service.post(path, body)
        expect(answer.body.error).toMatchObject({
          code: 'PolicyEvaluationError',
          innererror: { expected: expect.stringContaining(wanted) },
        })
        const said = (answer.body.error as { details: { message: string }[] }).details.map(({ message }) => message)
        expect(said).toContainEqual(
          expect.stringMatching(/^SNP firmware: 8 found, \d+ wanted\. Install the newer BIOS/),
        )
      }
    })

    it('is verified in hardware mode', async () => {
      const service = await open({ mode: 'hardware', anchors: { simulated: false, amd: [], intel: [] } })
      service.collateral.answers.clear()
      const claims = claimsOf(await service.post(path, body))
      expect(claims['x-strongroom-simulated']).toBeUndefined()
    })
  },
)

const phala = '/work/shared/evidence/Phala-Network-dcap-qvl'

describe.skipIf(!existsSync(`${phala}/tdx_quote`))('quotes of genuine TDX VMs (in /work/shared)', () => {
  let test: TestService

  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    const payload = unsignedPolicyJws('version=1.0;authorizationrules{=>permit();};')
    await test.call('PUT', '/policies/TdxVm?api-version=2022-08-01', {
      token: ownerObjectId,
      contentType: 'text/plain',
      payload,
    })
  })
  afterAll(() => test?.close())

  const request = (name: string): Record<string, unknown> => {
    const kept = JSON.parse(readFileSync(`${phala}/${name}_collateral.json`, 'utf8')) as Record<string, string>
    const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url')
    return {
      quote: readFileSync(`${phala}/${name}`).toString('base64url'),
      collateral: {
        tcbInfo: `{"tcbInfo":${kept.tcb_info},"signature":"${kept.tcb_info_signature}"}`,
        tcbInfoIssuerChainPem: kept.tcb_info_issuer_chain,
        qeIdentity: `{"enclaveIdentity":${kept.qe_identity},"signature":"${kept.qe_identity_signature}"}`,
        qeIdentityIssuerChainPem: kept.qe_identity_issuer_chain,
        pckCrl: base64url(kept.pck_crl!),
        pckCrlIssuerChainPem: kept.pck_crl_issuer_chain,
        rootCaCrl: base64url(kept.root_ca_crl!),
      },
    }
  }

  it('are verified with the collateral of their time, not simulated and not compliant', async () => {
    test.clock.set(new Date('2025-06-25T00:00:00Z'))
    const claims = claimsOf(await test.post('/attest/TdxVm?api-version=2022-08-01', request('tdx_quote')))
    expect(claims).toMatchObject({
      attester_tcb_status: 'UpToDate',
      'x-ms-attestation-type': 'tdxvm',
      dbgstat: 'disabled',
    })
    expect(claims['x-strongroom-simulated']).toBeUndefined()
    expect(claims['x-ms-compliance-status']).toBeUndefined()
  })

  it('are refused once their collateral is out of date', async () => {
    test.clock.set(new Date('2025-08-25T00:00:00Z'))
    const answer = await test.post('/attest/TdxVm?api-version=2022-08-01', request('tdx_quote'))
    expect(answer.status).toBe(400)
    expect(answer.body.error.details[0].code).toMatch(/Expired$/)
  })

  it('are refused where Intel vouches for no level of the platform, whatever the policy', async () => {
    test.clock.set(new Date('2026-03-01T00:00:00Z'))
    const answer = await test.post('/attest/TdxVm?api-version=2022-08-01', request('tdx_quote_outdated'))
    expect(answer.body.error).toMatchObject({
      code: 'InvalidParameter',
      details: [{ code: 'TcbMismatch' }],
      innererror: { found: 'NoMatchingLevel' },
    })
  })
})
