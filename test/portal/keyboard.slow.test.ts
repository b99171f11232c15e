import { homeRegion, sharedAttestationHost, vaultHost } from '@strongroom/contract'
import { guestFirmware } from '@strongroom/firmware'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Keyboard } from './support/keyboard.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

const machine = 'resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/first'
const provider = sharedAttestationHost(homeRegion.code)

/** Nothing here uses a pointer. */
describe.skipIf(!chromiumIsInstalled)('the portal by the keyboard alone', { timeout: 600_000 }, () => {
  let portal: PortalTest
  let page: Page
  let keys: Keyboard
  let vault: string

  beforeAll(async () => {
    portal = await PortalTest.open()
    page = await portal.signedIn()
    keys = new Keyboard(page)
  }, 600_000)
  afterAll(async () => await portal?.close())

  it('makes a machine under a key of its owner, watches it, verifies it and stops it', async () => {
    await page.getByText('No machine yet').waitFor()
    await keys.open('link', /^Make one/)
    await page.getByText('The machine can be created').waitFor()
    await keys.write(/^Name/, 'first')
    await keys.choose(/^Size/, 'DC2as_v5')
    await page.getByText('The machine can be created').waitFor()
    await keys.open('button', /^Make a key of mine/)
    await page.getByText('Made', { exact: true }).nth(5).waitFor()
    await page.getByText('The machine can be created').waitFor()
    await keys.open('button', /^Make first$/)
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    const operations = page.getByRole('region', { name: 'Operations' })
    await operations.getByText('Make Succeeded').waitFor()
    // Without guests, evidence is made on request, which takes time on a busy machine.
    await portal.bootEvidence(`${await portal.subscription()}/${machine}`)
    await keys.open('link', /^Verify its boot/)
    const verdict = page.getByRole('region', { name: 'Verdict' })
    await verdict.getByText('no roots are pinned').waitFor()
    await keys.give(/anchors\.json/, await portal.rootFiles())
    await page.getByRole('button', { name: /then pin them/ }).waitFor()
    await keys.open('button', /then pin them/)
    await verdict.getByText('Not trusted yet: 4 of').waitFor()
    const buffer = Buffer.from(await guestFirmware())
    await keys.give(/^Firmware of guests/, [{ name: 'guests.fd', mimeType: 'application/octet-stream', buffer }])
    // Without a guest, whether a disk was unlocked stays open, and who answers.
    await verdict.getByText('Not trusted yet: 3 of').waitFor()
    await keys.open('link', /^Machines$/)
    await page.getByRole('link', { name: 'first', exact: true }).waitFor()
    await keys.open('link', /^first$/)
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    await keys.open('button', /^Stop$/)
    await page.getByRole('dialog').getByText('Memory is lost').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.head .badge', { hasText: 'Stopped' }).waitFor()
  })

  it('rotates a key, disables a version, and writes a release policy that is tried as one types', async () => {
    await keys.open('link', /^Keys$/)
    await page.getByRole('link', { name: /^keys-/ }).waitFor()
    vault = (await page.getByRole('link', { name: /^keys-/ }).textContent()) ?? ''
    await keys.open('link', /^keys-/)
    await page.getByRole('button', { name: 'Verify every entry' }).waitFor()
    await keys.open('button', /^Verify every entry/)
    await page.getByText('Every entry was read and hashed in this page.').waitFor()
    await keys.open('link', /^disk$/)
    const versions = page.getByRole('region', { name: 'Versions' })
    await versions.getByText('(current)').waitFor()
    await keys.open('button', /^Rotate now/)
    await expect.poll(() => versions.getByRole('row').count()).toBe(3)
    await keys.open('button', /^Disable version/)
    await versions.getByText('Disabled').waitFor()
    await keys.open('button', /^Enable version/)
    await expect.poll(() => versions.getByText('Disabled').count()).toBe(0)
    const allOf = [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }]
    const policy = { version: '1.0.0', anyOf: [{ authority: `https://${provider}`, allOf }] }
    await keys.write(/^Text of the policy/, JSON.stringify(policy))
    await page.getByRole('region', { name: 'Results for stored decisions' }).getByText('Yes').first().waitFor()
    await keys.open('button', /^Set this policy/)
    await expect.poll(() => page.getByRole('button', { name: 'Set this policy' }).isDisabled()).toBe(true)
    const { release_policy: kept } = await portal.asOwner<{ release_policy: { data: string } }>(
      'GET',
      vaultHost(vault),
      '/keys/disk?api-version=7.6',
    )
    expect(JSON.parse(Buffer.from(kept.data, 'base64url').toString())).toEqual(policy)
  })

  it('writes an attestation policy, sets it and takes it back', async () => {
    await keys.open('link', /^Attestation$/)
    await page.getByRole('link', { name: 'sharedweu' }).waitFor()
    await keys.open('link', /^sharedweu$/)
    await page.getByText(/ would change$/).waitFor()
    await keys.choose(/^Policy for evidence of/, 'Tdx')
    await page.getByRole('heading', { name: 'Policy for TdxVm' }).waitFor()
    await keys.write(/^Text of the policy/, 'version=1.0;authorizationrules{=>permit();};')
    await page.getByRole('list', { name: 'Warnings' }).getByText('PermitsEverything').waitFor()
    await keys.open('button', /^Set this policy/)
    await page.getByRole('button', { name: 'Back to the one in force' }).waitFor({ state: 'hidden' })
    await keys.open('button', /^Reset to the default/)
    await expect
      .poll(() => page.getByRole('textbox', { name: 'Text of the policy' }).inputValue())
      .toContain('x-ms-compliance-status')
  })

  it('asks for quota, and looks up what a role contains', async () => {
    await keys.open('link', /^Costs and quotas$/)
    await page.getByRole('region', { name: 'Quotas' }).getByRole('row').nth(1).waitFor()
    await keys.choose(/^Region/, 'East US 2')
    await expect.poll(() => page.url()).toContain('region=eastus2')
    await page.getByRole('region', { name: 'Quotas' }).getByRole('row').nth(1).waitFor()
    await keys.open('button', /^Request/)
    await page.getByText('the operator decides').waitFor()
    await keys.open('link', /^Access$/)
    await page.getByText('What a role contains').waitFor()
    await keys.write(/^Filter by name or action/, 'virtual machine contributor')
    await keys.open('summary', /^Virtual Machine Contributor/)
    await page.getByText('Microsoft.Compute/virtualMachines/*').first().waitFor()
  })

  it('reaches all that can be pressed, written in or scrolled, on every page', async () => {
    const pages: [path: string, ready: string | RegExp][] = [
      ['/', 'This month'],
      ['/machines/new', 'The machine can be created'],
      ['/machines/strongroom/first', 'Last operation'],
      ['/machines/strongroom/first/trust', /^Verified in this page at/],
      ['/sizes', 'Not here, because …'],
      ['/costs', 'This installation has no price list'],
      ['/access?role=key', 'What a role contains'],
      ['/keys', 'The platform’s own keys'],
      [`/keys/${vault}`, 'Each of the'],
      [`/keys/${vault}/disk`, 'Tried on what was attested before'],
      ['/attestation', 'Counts until'],
      [`/attestation/${provider}`, 'Held to what was decided before'],
      ['/trust', 'Each report is verified'],
      ['/inspector', 'Verifies evidence in this page'],
    ]
    for (const [path, ready] of pages) {
      await page.goto(portal.origin + path)
      await page.getByText(ready).first().waitFor()
      await expect.poll(async () => await keys.unreached(), { message: path, timeout: 120_000 }).toEqual([])
    }
  })

  it('would find what no Tab reaches, and a stop that nobody sees: planted', async () => {
    await page.goto(`${portal.origin}/`)
    await page.getByText('This month').waitFor()
    await page.evaluate(() => {
      const button = document.createElement('button')
      button.textContent = 'Hidden from the keyboard'
      button.tabIndex = -1
      document.querySelector('main')?.append(button)
      const unseen = document.createElement('button')
      unseen.textContent = 'Unseen'
      unseen.style.outline = 'none'
      document.querySelector('main')?.append(unseen)
    })
    expect(await keys.unreached()).toEqual([expect.stringContaining('Hidden from the keyboard')])
    await expect(keys.tabTo('button', /^Hidden/)).rejects.toThrow('no sign of the focus at button Unseen')
  })
})
