import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attestationManagementHost, collateralPaths, principals } from '@strongroom/contract'
import { parseTdxQuote, readPckExtension, parseCertificate, toBase64Url, toHex } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acceptedSiliconFile } from './anchors/accepted-silicon.ts'
import {
  boundTo,
  chainPem,
  claimsOf,
  collateralBody,
  firmware,
  firmwareIsThere,
  newSilicon,
  openService,
  runtimeBytes,
  serveCollateral,
  serveTdxCollateral,
  silicon,
  snpBody,
  type Answer,
  type TestService,
} from './testing/harness.ts'
import { otherWords, resigned } from './testing/tdx-evidence.ts'
import { fmspcOf, serveVendors, startVendorServer, type VendorServer } from './testing/vendor-server.ts'

const [witness, other] = ['witness', 'other'].map((name) => `${name}.weu.attest.strongroom.internal`) as [
  string,
  string,
]

describe.skipIf(!firmwareIsThere)('silicon of another installation', () => {
  let stateDir: string
  let test: TestService
  const strangeKeys = new Map<string, Uint8Array>()
  let strange: Silicon
  let vendors: VendorServer

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'strongroom-accepted-'))
    const own = await silicon()
    strange = await newSilicon({ keys: strangeKeys })
    const accepted = { first: { providers: [witness], anchors: strange.anchors } }
    await writeFile(join(stateDir, acceptedSiliconFile), JSON.stringify(accepted))
    vendors = await startVendorServer()
    test = await openService({ anchors: own.anchors, stateDir, endpoints: vendors.endpoints })
    await serveCollateral(test.collateral, own)
    const { certification } = parseTdxQuote(await quote(own))
    const [pck] = 'chain' in certification ? certification.chain : []
    const { fmspc } = readPckExtension(parseCertificate(pck!))
    await serveTdxCollateral(test.collateral, await own.intel.collateral(), toHex(fmspc))
    for (const name of ['witness', 'other']) {
      const resourceId = `/subscriptions/s/resourceGroups/g/providers/Microsoft.Attestation/attestationProviders/${name}`
      const made = await test.call('PUT', `/providers/weu/${name}?api-version=2025-06-01`, {
        token: principals.controlPlane.appId,
        host: attestationManagementHost,
        contentType: 'application/json',
        payload: JSON.stringify({ resourceId, policySigningCertificates: [] }),
      })
      expect(made.status).toBe(201)
    }
  })
  afterAll(async () => {
    await test?.close()
    await vendors.close()
    await rm(stateDir, { recursive: true, force: true })
  })

  const snp = async (host?: string, listSent = true): Promise<Answer> => {
    const { amd } = strange
    const guest = await amd.launch({ firmware: firmware(), vCPUs: 2, vcpuType: 'EPYC-Milan' })
    const body = snpBody(await guest.report(boundTo(runtimeBytes)), {
      pem: await chainPem(strange),
      ...(listSent && { crl: (await amd.endorsements()).crl }),
    })
    return await test.post('/attest/SevSnpVm?api-version=2022-08-01', body, host === undefined ? {} : { host })
  }
  const quote = async ({ intel }: Silicon): Promise<Uint8Array> =>
    await intel.quote(await (await intel.launch({ firmware: firmware() })).tdReport(boundTo(runtimeBytes)))
  const tdx = async (host?: string): Promise<Answer> => {
    const body = {
      quote: toBase64Url(await quote(strange)),
      runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
      collateral: collateralBody(await strange.intel.collateral()),
    }
    return await test.post('/attest/TdxVm?api-version=2022-08-01', body, host === undefined ? {} : { host })
  }

  it.each([
    ['SNP', snp, 'sevsnpvm'],
    ['TDX', tdx, 'tdxvm'],
  ] as const)(
    '%s counts at the providers that the operator named, with its own collateral',
    async (_tee, attest, type) => {
      const answer = await attest(witness)
      expect(answer.body).toMatchObject({ token: expect.any(String) })
      expect(claimsOf(answer)).toMatchObject({
        iss: `https://${witness}`,
        'x-ms-attestation-type': type,
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-strongroom-simulated': true,
      })
    },
  )

  it('is not judged by the list of another root with a line of its name', async () => {
    const answer = await snp(witness, false)
    expect([answer.status, answer.body.error.code]).toEqual([400, 'PolicyEvaluationError'])
    expect(JSON.stringify(answer.body.error.details)).toContain('there is no revocation list of this root')
  })

  it.each([
    ['SNP', snp],
    ['TDX', tdx],
  ] as const)('%s counts nowhere else, the shared provider above all (attack K10)', async (_tee, attest) => {
    for (const host of [undefined, other]) {
      expect(await attest(host)).toMatchObject({
        status: 400,
        body: { error: { code: 'InvalidParameter', details: [{ code: 'UntrustedRoot' }] } },
      })
    }
  })

  it('counts there also with what a mirror serves of it, and there alone (attack K10)', async () => {
    await serveVendors(vendors, strange, '00606a000000')
    // The mirror's absent answer is cached for a minute.
    test.clock.set(new Date(Date.now() + 61_000))
    const guest = await strange.amd.launch({ firmware: firmware(), vCPUs: 2, vcpuType: 'EPYC-Milan' })
    const body = snpBody(await guest.report(boundTo(runtimeBytes)))
    const attest = (host: string): Promise<Answer> =>
      test.post('/attest/SevSnpVm?api-version=2022-08-01', body, { host })
    expect((await attest(witness)).body).toMatchObject({ token: expect.any(String) })
    expect(await attest(other)).toMatchObject({
      status: 400,
      body: { error: { code: 'InvalidParameter', details: [{ code: 'UntrustedRoot' }] } },
    })
  })

  it('on TDX is judged by what a mirror has of its root, though the installation has its FMSPC too (attack W3)', async () => {
    const fmspc = fmspcOf(await quote(strange))
    await serveVendors(vendors, strange, fmspc)
    const path = `/pcs${collateralPaths.tdxTcbInfo(fmspc)}`
    const served = vendors.answers.get(path)!
    const now = Date.now()
    const outdated = { issued: new Date(now), until: new Date(now + 20 * 24 * 3600_000), status: 'OutOfDate' }
    const body = resigned(
      (await strange.intel.collateral()).tcbInfo,
      strangeKeys.get('simulated-intel-tcb-signing')!,
      otherWords(outdated),
    )
    vendors.answers.set(path, { ...served, body })
    // The mirror's absent answer is cached for a minute.
    test.clock.set(new Date(now + 240_000))
    const answer = await tdx(witness)
    expect([answer.status, answer.body.error?.code]).toEqual([400, 'PolicyEvaluationError'])
    expect(JSON.stringify(answer.body.error.details)).toContain('OutOfDate')
  })

  it('stops a hardware installation from starting (attack K10)', async () => {
    await expect(
      openService({ anchors: { simulated: false, amd: [], intel: [] }, mode: 'hardware', stateDir }),
    ).rejects.toMatchObject({ code: 'TrustAnchorsNotAllowed' })
  })
})
