import { join } from 'node:path'
import { guestFirmware } from '@strongroom/firmware'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { personalSshKey } from '../../apps/cli/src/core/ssh-key.ts'
import type { VmView } from '../system/support/vm.ts'
import { expectAccessible } from './support/accessible.ts'
import { expectText, markup, rightToLeft } from './support/hostile.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

/** How long a boot may take on a busy machine without acceleration. */
const bootMs = 900_000

/** One confidential VM that the portal makes and that really boots, for what only a guest can show; the tests run in this order. */
describe.skipIf(!chromiumIsInstalled)('a booted VM in the portal', { timeout: 2 * bootMs }, () => {
  let portal: PortalTest
  let page: Page
  beforeAll(async () => {
    portal = await PortalTest.open({ guests: true })
    await portal.installation.must('image', 'build')
    page = await portal.signedIn('/machines/new?size=Standard_DC2as_v5')
  }, 2 * bootMs)
  afterAll(async () => await portal?.close())

  const operations = (): Locator => page.getByRole('region', { name: 'Operations' })
  const step = (name: string): Locator => operations().getByRole('listitem').filter({ hasText: name }).first()
  const seconds = async (name: string): Promise<number> => {
    const [, minutes = '0', rest] = /(?:(\d+) min )?([\d.]+) s/.exec((await step(name).textContent()) ?? '') ?? []
    return Number(minutes) * 60 + Number(rest)
  }

  it('shows each step of its first boot with its time, while it starts', async () => {
    const { publicText } = await personalSshKey(join(portal.installation.home, 'config/strongroom'))
    await page.getByLabel('Name', { exact: true }).fill('first')
    await page.getByLabel('SSH public key').fill(publicText)
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: 'Make first' }).click()
    await step('boot until the guest is ready')
      .getByText('Running')
      .waitFor({ timeout: bootMs / 2 })
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Making first')
    const early = await seconds('boot until the guest is ready')
    await expect
      .poll(async () => await seconds('boot until the guest is ready'))
      .toBeGreaterThan(Number.isNaN(early) ? 0 : early)
    // The host's steps are listed among the resource manager's.
    await step('Firmware, kernel, disk').waitFor()
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor({ timeout: bootMs })
    await operations().getByText('Make Succeeded').waitFor()
    for (const name of ['provision disk and guest state', 'boot until the guest is ready', 'Firmware, kernel, disk'])
      expect(await step(name).textContent()).toMatch(/^Done.*\d (ms|s)/)
    await page.getByLabel('Boot log').getByText('[  OK  ] Reached target multi-user.target').waitFor()
    await expectAccessible(page)
  })

  it('is trusted by what the page verifies of its evidence, as the command line says', async () => {
    await page.getByRole('link', { name: 'Verify its boot' }).click()
    const verdict = page.getByRole('region', { name: 'Verdict' })
    await verdict.getByText('no roots are pinned').waitFor()
    await page.getByLabel(/anchors\.json and ca\.pem/).setInputFiles(await portal.rootFiles())
    await page.getByRole('button', { name: /then pin them/ }).click()
    await verdict.getByText('Not trusted yet').waitFor()
    const buffer = Buffer.from(await guestFirmware())
    await page
      .getByLabel(/Firmware of guests/)
      .setInputFiles({ name: 'guests.fd', mimeType: 'application/octet-stream', buffer })
    await verdict.getByText('Trusted: every link holds').waitFor()
    expect(await verdict.textContent()).not.toContain('No guest ran')
    const { links } = (await portal.installation.cli('vm', 'trust', 'first')).json as { links: { outcome: string }[] }
    expect(links.map(({ outcome }) => outcome)).toEqual(links.map(() => 'verified'))
    expect(await page.locator('.links > li.good').count()).toBe(links.length)
    await expectAccessible(page)
  })

  it('shows what its guest says as text, whatever that is', async () => {
    // Its console, and its swap's name in the health that it reports.
    const swap = `/var/${markup}${rightToLeft}`
    await portal.installation.asRoot(
      'first',
      `printf '%s\\n' '${markup}' '${rightToLeft}' >/dev/console
fallocate -l 16M '${swap}'; chmod 600 '${swap}'; mkswap -q '${swap}'; swapon '${swap}'; /usr/lib/strongroom/health`,
    )
    await page.getByRole('link', { name: 'Machines', exact: true }).click()
    await page.getByRole('link', { name: 'first', exact: true }).click()
    await page.getByText(/MiB of swap on .*onerror/).waitFor()
    await page.getByLabel('Boot log').getByText(markup).waitFor()
    await expectText(page)
  })

  it('is converted to other silicon once it is deallocated (rule S19)', async () => {
    await page.getByRole('button', { name: 'Deallocate' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Deallocate' }).click()
    await page.locator('.head .badge', { hasText: 'Deallocated' }).waitFor({ timeout: bootMs / 2 })
    await page.getByRole('button', { name: 'Convert', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Convert to DC2es_v5' }).click()
    await operations().getByText('Change Succeeded').waitFor({ timeout: bootMs })
    await page.getByText('Standard_DC2es_v5').waitFor()
    const { properties } = await portal.installation.must<VmView>('vm', 'show', 'first')
    expect(properties).toMatchObject({ hardwareProfile: { vmSize: 'Standard_DC2es_v5' } })
    expect(await page.getByRole('alert').count()).toBe(0)
  })
})
