import { existsSync, readFileSync } from 'node:fs'
import {
  collateralChainHeaders,
  collateralPaths,
  type CollateralBundle,
  type CollateralStatus,
} from '@strongroom/contract'
import { parseCertificate, parsePem, parseTdxQuote, readPckExtension, toHex } from '@strongroom/evidence'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import { claimsOf, openService, ownerObjectId, type Answer, type TestService } from '../testing/harness.ts'
import { startVendorServer, type VendorServer } from '../testing/vendor-server.ts'

const phala = '/work/shared/evidence/Phala-Network-dcap-qvl'
const attestPath = '/attest/TdxVm?api-version=2022-08-01'
/** When the corpus's Intel collateral was valid. */
const then = new Date('2025-06-25T00:00:00Z')
const asOwner = { token: ownerObjectId }

/** Makes the server answer with Intel's own collateral of that time. */
function serveIntel(server: VendorServer, quote: Uint8Array): void {
  const kept = JSON.parse(readFileSync(`${phala}/tdx_quote_collateral.json`, 'utf8')) as Record<string, string>
  const { certification } = parseTdxQuote(quote)
  if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
  const leaf = parseCertificate(certification.chain[0]!)
  const fmspc = toHex(readPckExtension(leaf).fmspc)
  const ca = leaf.issuer.commonName?.includes('Platform') === true ? 'platform' : 'processor'
  const bytes = (hex: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(hex ?? '', 'hex'))
  const answer = (path: string, body: Uint8Array | string, header?: string, chain?: string): void => {
    const headers = header === undefined ? {} : { [header]: encodeURIComponent(chain ?? '') }
    server.answers.set(path, { body, headers })
  }
  const { tcbInfo, qeIdentity, pckCrl } = collateralChainHeaders
  const tcbInfoText = `{"tcbInfo":${kept['tcb_info']},"signature":"${kept['tcb_info_signature']}"}`
  answer(`/pcs${collateralPaths.tdxTcbInfo(fmspc)}`, tcbInfoText, tcbInfo, kept['tcb_info_issuer_chain'])
  const identityText = `{"enclaveIdentity":${kept['qe_identity']},"signature":"${kept['qe_identity_signature']}"}`
  answer(`/pcs${collateralPaths.tdxQeIdentity}`, identityText, qeIdentity, kept['qe_identity_issuer_chain'])
  const crlPath = `/pcs${collateralPaths.tdxPckRevocationList(ca)}`
  answer(crlPath, bytes(kept['pck_crl']), pckCrl, kept['pck_crl_issuer_chain'])
  answer('/root/IntelSGXRootCA.der', bytes(kept['root_ca_crl']))
}

describe.skipIf(!existsSync(`${phala}/tdx_quote`))(
  'a genuine TDX VM at an installation in hardware mode (evidence in /work/shared)',
  () => {
    let vendors: VendorServer
    const opened: TestService[] = []
    const quote = (): Buffer => readFileSync(`${phala}/tdx_quote`)

    async function open(o: { reachesVendors: boolean }): Promise<TestService> {
      const service = await openService({
        mode: 'hardware',
        anchors: { simulated: false, amd: [], intel: [] },
        endpoints: o.reachesVendors ? vendors.endpoints : {},
      })
      opened.push(service)
      service.clock.set(then)
      await service.call('PUT', '/policies/TdxVm?api-version=2022-08-01', {
        ...asOwner,
        contentType: 'text/plain',
        payload: unsignedPolicyJws('version=1.0;authorizationrules{=>permit();};'),
      })
      return service
    }
    const attest = (service: TestService): Promise<Answer> =>
      service.post(attestPath, { quote: quote().toString('base64url') })

    beforeEach(async () => {
      vendors = await startVendorServer()
      serveIntel(vendors, Uint8Array.from(quote()))
    })

    afterEach(async () => {
      for (const service of opened.splice(0)) await service.close()
      await vendors.close()
    })

    it('is verified with what Intel’s service answers', async () => {
      const answer = await attest(await open({ reachesVendors: true }))
      expect(answer.body.error).toBeUndefined()
      expect(claimsOf(answer)).toMatchObject({ 'x-ms-attestation-type': 'tdxvm', attester_tcb_status: 'UpToDate' })
      expect(vendors.asked).toHaveLength(4)
    })

    it('is verified by an installation that no vendor reaches, once it has the bundle of one that they do', async () => {
      const online = await open({ reachesVendors: true })
      await attest(online)
      const bundle = (await online.call('GET', '/collateral/bundle', asOwner)).body as CollateralBundle
      const offline = await open({ reachesVendors: false })
      expect((await attest(offline)).status).toBe(400)
      const imported = await offline.post('/collateral/bundle', bundle, asOwner)
      expect(
        imported.body.results.map((item: { source: string; outcome: string }) => [item.source, item.outcome]),
      ).toEqual(Array.from({ length: 4 }, () => ['vendors', 'imported']))
      expect((await attest(offline)).status).toBe(200)
      offline.clock.set(new Date('2025-08-25T00:00:00Z'))
      expect((await attest(offline)).body.error.code).toBe('CollateralUnavailable')
    })
  },
)

const evidence = '/work/shared/evidence'
const snpPath = '/attest/SevSnpVm?api-version=2022-08-01'

/** Reports that name their line, VCEKs of genuine chips, and the authorities as AMD’s service serves them. */
const chips = [
  [
    'Genoa',
    'confidential-dot-ai-attestation-rs/live-report-v5-genoa.bin',
    'confidential-dot-ai-attestation-rs/live-vcek-genoa.der',
    'google-go-sev-guest/ask_ark_genoa.pem',
  ],
  [
    'Turin',
    'microsoft-TEE-Attestation-Verification/turin_attestation_report.bin',
    'microsoft-TEE-Attestation-Verification/turin_vcek.pem',
    'google-go-sev-guest/ask_ark_turin.pem',
  ],
] as const

describe.skipIf(!existsSync(evidence))('a genuine chip of AMD’s at an installation in hardware mode', () => {
  const bytesOf = (file: string): Uint8Array => {
    const bytes = readFileSync(`${evidence}/${file}`)
    if (file.endsWith('.pem')) return parsePem(bytes.toString())[0]!
    return Uint8Array.from(bytes)
  }

  it.each(chips)('(%s) is verified with what AMD’s service answers', async (product, report, vcek, authorities) => {
    const vendors = await startVendorServer()
    const test = await openService({
      mode: 'hardware',
      anchors: { simulated: false, amd: [], intel: [] },
      endpoints: vendors.endpoints,
    })
    try {
      test.clock.set(new Date())
      await test.call('PUT', '/policies/SevSnpVm?api-version=2022-08-01', {
        ...asOwner,
        contentType: 'text/plain',
        payload: unsignedPolicyJws(
          'version=1.0;authorizationrules{c:[type=="x-strongroom-revocation-checked",value==false]=>permit();};',
        ),
      })
      const body = {
        report: Buffer.from(JSON.stringify({ SnpReport: Buffer.from(bytesOf(report)).toString('base64url') })).toString(
          'base64url',
        ),
      }
      expect((await test.post(snpPath, body)).status).toBe(400)
      const path = vendors.asked.find((each) => each.includes('SPL='))!
      vendors.answers.set(path, { body: bytesOf(vcek) })
      vendors.answers.set(`/kds/vcek/v1/${product}/cert_chain`, {
        body: readFileSync(`${evidence}/${authorities}`),
      })
      test.clock.set(new Date(test.clock.now().getTime() + 61_000))
      const answer = await test.post(snpPath, body)
      expect(answer.body.error).toBeUndefined()
      expect(claimsOf(answer)).toMatchObject({ 'x-ms-attestation-type': 'sevsnpvm' })
      const { items } = (await test.call('GET', '/collateral', asOwner)).body as CollateralStatus
      expect(items.map(({ path: kept }) => `/kds${kept}`).toSorted()).toEqual(
        [path, `/kds/vcek/v1/${product}/cert_chain`].toSorted(),
      )
    } finally {
      await test.close()
      await vendors.close()
    }
  })
})
