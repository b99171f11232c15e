import { existsSync, readFileSync } from 'node:fs'
import { parseHclReport, toHex, parseSnpReport } from '@strongroom/evidence'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
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
/** What a policy has to say of evidence whose root has no revocation list here. */
const lenient = 'version=1.0;authorizationrules{[type=="x-strongroom-revocation-checked", value==false]=>permit();};'

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

    beforeAll(() => {
      const hcl = parseHclReport(Uint8Array.from(readFileSync(`${corpus}/az-snp-vtpm/hcl-report.bin`)))
      // VCEK, ASK and ARK, as the metadata service hands them out.
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
      })
    })

    it('is never compliant here: anyone may rent such a machine and bind any VM id to a report', async () => {
      for (const baseline of [undefined, { idKeyDigests: [idKeyDigest], launchMeasurements: [] }]) {
        const service = await open(baseline === undefined ? {} : { baseline })
        const claims = claimsOf(await service.post(path, body))
        // With a known paravisor the revocation list is still missing.
        expect(claims['x-ms-compliance-status']).toBeUndefined()
        await service.close()
      }
      test = undefined
    })

    it('is denied without a revocation list unless the policy accepts that by name', async () => {
      const service = await open()
      const permitAll = unsignedPolicyJws('version=1.0;authorizationrules{=>permit();};')
      await service.call('PUT', '/policies/SevSnpVm?api-version=2022-08-01', {
        token: ownerObjectId,
        contentType: 'text/plain',
        payload: permitAll,
      })
      const answer = await service.post(path, body)
      expect(answer.body.error).toMatchObject({
        code: 'PolicyEvaluationError',
        innererror: { expected: expect.stringContaining('x-strongroom-revocation-checked') },
      })
    })

    it('is verified in hardware mode', async () => {
      const service = await open({ mode: 'hardware', anchors: { simulated: false, amd: [], intel: [] } })
      service.collateral.answers.clear()
      const claims = claimsOf(await service.post(path, body))
      expect(claims['x-strongroom-simulated']).toBeUndefined()
    })
  },
)
