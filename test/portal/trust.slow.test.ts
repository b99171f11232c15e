import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootEvidence } from '@strongroom/contract'
import { guestFirmware } from '@strongroom/firmware'
import type { Link, TrustReport } from '@strongroom/trust'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KeptEvidence } from '../insider/support/kept-evidence.ts'
import type { VmView } from '../system/support/vm.ts'
import { expectAccessible } from './support/accessible.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

/** The page's text in its place. */
const kinds: Record<string, Link['outcome']> = { good: 'verified', bad: 'refused', open: 'not checked' }
const markup = '<img src=x onerror="document.title=\'ran\'">'

/** What the operator of the host could write into the evidence that it stores. */
const edits: Record<string, (evidence: BootEvidence) => void> = {
  'other claims': (evidence) => (evidence.runtimeClaims = `${evidence.runtimeClaims.slice(0, -8)}AAAAAAAA`),
  'a token with another signature': (evidence) =>
    (evidence.attestation.token = `${evidence.attestation.token.slice(0, -8)}AAAAAAAA`),
  'an older guest state': (evidence) => (evidence.guestState.generation = -1),
  'another boot loader': (evidence) => (evidence.measuredBoot!.pcrs['4'] = '00'.repeat(32)),
  'other settings': (evidence) => (evidence.settled = 'AAAA'),
  'no report': (evidence) => delete (evidence as Partial<BootEvidence>).silicon,
  'markup in every text': (evidence) =>
    Object.assign(evidence, { vmId: markup, settled: markup, runtimeClaims: markup, measurements: markup }),
  'ten thousand characters and marks of direction': (evidence) =>
    Object.assign(evidence, { vmId: `\u202E${'A'.repeat(10_000)}`, runtimeClaims: `\u2066${'A'.repeat(10_000)}` }),
}

describe.skipIf(!chromiumIsInstalled)('the trust report in the portal', { timeout: 600_000 }, () => {
  let portal: PortalTest
  let kept: KeptEvidence
  let page: Page
  let vmId: string
  beforeAll(async () => {
    portal = await PortalTest.open()
    kept = new KeptEvidence(portal.installation)
    const vm = await portal.installation.must<VmView>('vm', 'create', 'first', '--size', 'Standard_DC2as_v5')
    vmId = vm.properties.vmId.toUpperCase()
    await commandLine()
    page = await portal.signedIn('/machines/strongroom/first/trust')
  }, 600_000)
  afterAll(async () => await portal?.close())

  async function commandLine(): Promise<TrustReport> {
    const { json, stderr } = await portal.installation.cli('vm', 'trust', 'first')
    if (json === undefined) throw new Error(stderr)
    return json as TrustReport
  }

  const state = (name: string): string => join(portal.installation.stateDir, name)
  const warnings = (): Locator => page.getByRole('region', { name: 'Warnings' })
  const verdict = (): Locator => page.getByRole('region', { name: 'Verdict' })

  const when = async (): Promise<string> => (await page.getByText(/^Verified in this page at/).allTextContents()).join()

  /** Makes the page read and verify again, and waits for its verdict. */
  async function verified(): Promise<void> {
    const before = await when()
    await page.getByRole('button', { name: 'Verify again' }).click()
    await expect.poll(async () => ((await when()) || before) !== before).toBe(true)
  }

  async function linksInPage(): Promise<{ title: string; outcome: string; text: string }[]> {
    const found = await page.locator('.links > li').evaluateAll((items) =>
      items.map((item) => ({
        kind: item.className.replace('link ', ''),
        title: item.querySelector('h3')?.childNodes[1]?.textContent ?? '',
        text: item.textContent ?? '',
      })),
    )
    return found.map(({ kind, ...rest }) => ({ ...rest, outcome: kinds[kind] ?? kind }))
  }

  async function chooseRoots(anchors: string): Promise<void> {
    await page.getByLabel(/anchors\.json and ca\.pem/).setInputFiles([
      { name: 'anchors.json', mimeType: 'application/json', buffer: Buffer.from(anchors) },
      { name: 'ca.pem', mimeType: 'application/x-pem-file', buffer: await readFile(state('ca.pem')) },
    ])
  }

  it('takes no root from the server: nothing is verified before the person pins some', async () => {
    await verdict().getByText('no roots are pinned').waitFor()
    expect(await page.locator('.links').count()).toBe(0)
    await chooseRoots('{"simulated": true, "amd": [{"name": "x"}], "intel": []}')
    await page.getByRole('alert').getByText('These are not anchors').waitFor()
    const anchors = await readFile(state('anchors.json'), 'utf8')
    await chooseRoots(anchors)
    const { amd } = JSON.parse(anchors) as { amd: { spkiSha256: string }[] }
    await page.getByText(amd[0]!.spkiSha256).waitFor()
    await page.getByRole('button', { name: /then pin them/ }).click()
    await page.locator('.links').waitFor()
  })

  it('gives the outcome of the command line for each link, with what was found', async () => {
    const firmware = {
      name: 'guests.fd',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(await guestFirmware()),
    }
    await page.getByLabel(/Firmware of guests/).setInputFiles(firmware)
    await expect.poll(async () => (await linksInPage())[1]?.outcome).toBe('verified')
    const here = await commandLine()
    const there = await linksInPage()
    expect(there.map(({ title, outcome }) => [title, outcome])).toEqual(
      here.links.map((link) => [link.title, link.outcome]),
    )
    expect(new Set(here.links.map(({ outcome }) => outcome))).toEqual(new Set(['verified', 'not checked']))
    // For the others the page says whose word it relied on: the record's here, the creator's there.
    // And only the command line remembers the firmware of a boot before.
    const remembered = 'the firmware of the last boot that you trusted'
    expect(here.links.flatMap(({ shows }) => shows)).toContain(remembered)
    for (const [index, { id, shows }] of here.links.entries())
      if (!['measurement', 'image', 'settings'].includes(id))
        for (const line of shows.filter((each) => each !== remembered)) expect(there[index]!.text).toContain(line)
    expect(await verdict().textContent()).toContain('Simulated silicon')
  })

  it.each(Object.entries(edits))('gives that of the command line for what the host edits: %s', async (_what, edit) => {
    await kept.edited(vmId, edit, async () => {
      const { links } = await commandLine()
      await verified()
      const there = await linksInPage()
      for (const [index, { id, title, outcome, why }] of links.entries()) {
        expect(there[index]).toMatchObject({ title, outcome })
        if (id !== 'measurement' && why !== undefined && !/creator|record|asked for/.test(why))
          expect(there[index]!.text).toContain(why)
      }
      expect(links.some(({ outcome }) => outcome === 'refused')).toBe(true)
      expect(await verdict().textContent()).toContain('Not trusted')
      expect(await page.locator('main img').count()).toBe(0)
      expect(await page.title()).toBe('Trust · Strongroom')
    })
  })

  it('is refused for evidence of another machine of the same owner', async () => {
    await portal.installation.must('vm', 'create', 'second', '--size', 'Standard_DC2as_v5')
    await portal.installation.cli('vm', 'trust', 'second')
    const second = (await portal.installation.must<VmView>('vm', 'show', 'second')).properties.vmId.toUpperCase()
    const other = await kept.read(second)
    await kept.edited(
      vmId,
      (evidence) => Object.assign(evidence, { ...other, bootId: evidence.bootId }),
      async () => {
        const claims = (await commandLine()).links.find(({ id }) => id === 'claims')
        expect(claims).toMatchObject({ outcome: 'refused', why: expect.stringContaining('another VM') as string })
        await verified()
        expect((await linksInPage())[2]).toMatchObject({ outcome: 'refused' })
      },
    )
  })

  it('holds later boots to the one that was pinned, and shouts where roots change', async () => {
    // Without the firmware, which a page keeps only while it is open.
    await page.reload()
    await warnings().getByText('TrustedOnFirstUse').waitFor()
    await page.getByRole('button', { name: /^Pin this boot/ }).click()
    await verdict().getByText('Held to the boot that you pinned').waitFor()
    expect([(await linksInPage())[1], await warnings().count()]).toMatchObject([{ outcome: 'verified' }, 0])
    const key = `strongroom.pinned-boot.${vmId.toLowerCase()}`
    const pin = await page.evaluate((name) => localStorage.getItem(name), key)
    // What could be known only with the pinned launch is pinned with it.
    expect(JSON.parse(pin!)).toMatchObject({ bootFile: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
    await page.evaluate(
      ([name, text]) => localStorage.setItem(name!, text!),
      [key, pin!.replace(/"launch":"../, '"launch":"zz')],
    )
    await verified()
    expect((await linksInPage())[1]).toMatchObject({ outcome: 'refused' })
    await page.evaluate((name) => localStorage.setItem(name, '{'), key)
    await page.reload()
    await page.getByRole('alert').getByText('cannot be read').waitFor()
    await page.evaluate((name) => localStorage.removeItem(name), key)
    await verified()
    await warnings().getByText('PinsMissing').waitFor()
    await page.getByText(/^Roots:/).click()
    const anchors = await readFile(state('anchors.json'), 'utf8')
    await chooseRoots(anchors.replace(/"spkiSha256":\s*"[0-9a-f]{8}/, (text) => `${text.slice(0, -8)}00000000`))
    await page.getByRole('alert').getByText('other roots than you pinned').waitFor()
    expect(await page.getByRole('alert').textContent()).toContain('not pinned')
    expect(await page.getByRole('button', { name: /instead of the old ones/ }).count()).toBe(1)
  })

  it('tells what differs from an earlier boot', async () => {
    await portal.installation.must('vm', 'restart', 'first')
    await commandLine()
    await verified()
    await page.getByLabel(/^Compare the last boot/).waitFor()
    expect(await page.locator('.changes').textContent()).toContain('guest state generation')
  })

  it('gives the evidence as files that the command line judges', async () => {
    const paths: string[] = []
    for (const file of ['first-boot.json', 'first-certs.json']) {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: file }).click(),
      ])
      const path = join(portal.installation.home, file)
      await download.saveAs(path)
      paths.push(path)
    }
    const shown = await page.getByLabel('Command that verifies the files').textContent()
    expect(shown).toContain(
      'strongroom evidence verify first-boot.json first-certs.json --anchors anchors.json --ca ca.pem --at ',
    )
    const at = shown!.split('--at ')[1]!.trim()
    const options = ['--anchors', state('anchors.json'), '--ca', state('ca.pem'), '--at', at]
    const { json } = await portal.installation.cli('evidence', 'verify', ...paths, ...options)
    expect(json).toMatchObject({ verdict: 'accepted', simulated: true })
  })

  it('shouts where another machine is under the name of the one that was pinned', async () => {
    const before = vmId
    await portal.installation.must('vm', 'delete', 'first', '--yes')
    const vm = await portal.installation.must<VmView>('vm', 'create', 'first', '--size', 'Standard_DC2as_v5')
    vmId = vm.properties.vmId.toUpperCase()
    await commandLine()
    await page.reload()
    await warnings().getByText('AnotherVm').waitFor()
    expect((await warnings().textContent())?.toUpperCase()).toContain(`VMID ${vmId}, NOT ${before}`)
  })

  it('is accessible, works by keyboard, and asks no other origin', async () => {
    await verified()
    await expectAccessible(page)
    await page.getByRole('link', { name: 'Trust', exact: true }).focus()
    await page.keyboard.press('Enter')
    const link = page.getByRole('link', { name: 'first', exact: true })
    await link.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Trust in first' }).waitFor()
    await verdict().waitFor()
    expect(portal.requested.filter((url) => ![portal.origin, 'null'].includes(new URL(url).origin))).toEqual([])
    expect(portal.faults.filter((text) => /Content Security Policy|Trusted/.test(text))).toEqual([])
  })
})
