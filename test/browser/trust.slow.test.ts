import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { AskedSettings, BootEvidence } from '@strongroom/contract'
import { toBase64, type TrustAnchors } from '@strongroom/evidence'
import { guestFirmware } from '@strongroom/firmware'
import { rootsOf, verifyLinks, type Link, type TrustReport } from '@strongroom/trust'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'
import { defaultAsked } from '../system/support/vm.ts'
import { browserPath, bundle, openPage } from './support.ts'

/** A boot verifier's inputs, as JSON. */
interface Given {
  evidence: BootEvidence
  asked: AskedSettings
  size: string
  /** Base64. */
  firmware: string
  anchors: TrustAnchors
  authority: string
  keySets: Record<string, unknown>
  image: typeof defaultAsked.image
  at: string
}

type Library = Pick<typeof import('@strongroom/trust'), 'rootsOf' | 'verifyLinks'>

/** Runs here and, as text, in the page: no outer names. */
async function report({ rootsOf, verifyLinks }: Library, given: Given): Promise<TrustReport> {
  return await verifyLinks({
    name: 'vm',
    evidence: given.evidence,
    encryption: 'DiskWithVMGuestState',
    size: given.size,
    secureBoot: true,
    image: given.image,
    firmware: { name: 'firmware', bytes: Uint8Array.from(atob(given.firmware), (byte) => byte.charCodeAt(0)) },
    settings: { by: 'resource manager', asked: given.asked },
    roots: await rootsOf(given.anchors, given.authority),
    at: new Date(given.at),
    fetchKeySet: async (issuer) => await Promise.resolve(given.keySets[issuer]),
  })
}

const holds = ({ outcome }: Link): boolean => outcome === 'verified'

/** Edits that a host may make to its records. */
const edits: Record<string, (evidence: BootEvidence) => void> = {
  nothing: () => undefined,
  'the claims': (evidence) => (evidence.runtimeClaims = `${evidence.runtimeClaims.slice(0, -8)}AAAAAAAA`),
  'no base64': (evidence) => (evidence.runtimeClaims = '<img src=x onerror=alert(1)>'),
  'another VM': (evidence) => (evidence.vmId = '00000000-0000-4000-8000-000000000000'),
  'the token': (evidence) => (evidence.attestation.token = `${evidence.attestation.token.slice(0, -8)}AAAAAAAA`),
  'the generation': (evidence) => (evidence.guestState.generation = -1),
  'a register': (evidence) => (evidence.measuredBoot!.pcrs['4'] = '00'.repeat(32)),
  'no measured boot': (evidence) => delete evidence.measuredBoot,
  'no silicon': (evidence) => delete (evidence as Partial<BootEvidence>).silicon,
  'the settings': (evidence) => (evidence.settled = 'AAAA'),
}

describe('the package bundled for a browser', () => {
  it('is at most 90 KiB compressed, verification included, and asks for no module of Node', async () => {
    const text = await bundle('trust-page.ts')
    const { length } = gzipSync(text, { level: 9 })
    process.stdout.write(`Bundle of the trust report: ${text.length} bytes, ${length} compressed\n`)
    expect(text).toContain('silicon root')
    expect(length).toBeLessThanOrEqual(90 * 1024)
    expect(text).not.toMatch(/\brequire\(|["']node:/)
  })
})

describe.skipIf(!existsSync(browserPath))('the trust report in Chromium', { timeout: 300_000 }, () => {
  let installation: TestInstallation
  let page: Page
  let close: (() => Promise<void>) | undefined

  beforeAll(async () => {
    installation = await startTestInstallation()
    ;({ page, close } = await openPage(await bundle('trust-page.ts')))
  }, 240_000)
  afterAll(async () => {
    await close?.()
    await installation?.close()
  })

  /** Created on first request, by programs: on a busy machine the host may exceed the usual time. */
  async function evidenceOf(path: string): Promise<BootEvidence & { asked: AskedSettings }> {
    const end = Date.now() + 240_000
    for (;;) {
      try {
        return await installation.arm('POST', `${path}/retrieveBootEvidence`)
      } catch (error) {
        if (Date.now() > end || !/Timeout/.test(String((error as { code?: unknown }).code))) throw error
      }
    }
  }

  it.each(['Standard_DC2as_v5', 'Standard_DC2es_v5'])(
    'is the one of Node for a boot of %s, genuine and edited',
    async (size) => {
      const path = await makeVm(installation, { name: size.toLowerCase().replaceAll('_', '-'), size })
      const { asked, ...evidence } = await evidenceOf(path)
      const { issuer } = evidence.attestation
      const { stateDir } = installation.running.context
      const given: Given = {
        evidence,
        asked,
        size,
        firmware: toBase64(await guestFirmware()),
        anchors: JSON.parse(await readFile(join(stateDir, 'anchors.json'), 'utf8')) as TrustAnchors,
        authority: installation.caPem,
        keySets: { [issuer]: (await installation.wire.request({ method: 'GET', url: `${issuer}/certs` })).body },
        image: defaultAsked.image,
        at: new Date().toISOString(),
      }
      for (const [what, edit] of Object.entries(edits)) {
        const changed = structuredClone(evidence)
        edit(changed)
        const here = await report({ rootsOf, verifyLinks }, { ...given, evidence: changed })
        const there = await page.evaluate(
          async ({ source, sent }) => {
            const library = (globalThis as unknown as { evidence: unknown }).evidence
            // oxlint-disable-next-line no-implied-eval -- the function of this test, sent as text
            const run = new Function(`return (${source})`)() as (...given: unknown[]) => Promise<unknown>
            return JSON.parse(JSON.stringify(await run(library, sent))) as unknown
          },
          { source: report.toString(), sent: { ...given, evidence: changed } },
        )
        expect(there, what).toEqual(JSON.parse(JSON.stringify(here)))
        const refused = here.links.filter(({ outcome }) => outcome === 'refused')
        if (what === 'nothing') expect(refused).toEqual([])
        else expect(here.links.length - here.links.filter(holds).length, what).toBeGreaterThan(2)
      }
    },
  )
})
