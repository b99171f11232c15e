import { managementHost, vaultHost } from '@strongroom/contract'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { ForgedLog } from './support/forged-log.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

interface Vm {
  id: string
  name: string
  properties: { vmId: string }
}

describe.skipIf(!chromiumIsInstalled)('keys in the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page
  let vault: string
  /** The machine under your own key, and another one. */
  let own: Vm
  let other: Vm

  beforeAll(async () => {
    portal = await PortalTest.open()
    other = await portal.installation.must<Vm>('vm', 'create', 'other', '--size', 'Standard_DC2as_v5')
    page = await portal.signedIn('/machines/new')
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: 'Make a key of mine' }).click()
    await page.getByText('Made', { exact: true }).nth(5).waitFor()
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: /^Make vm-/ }).click()
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    const name = (await page.getByRole('heading', { level: 1 }).textContent()) ?? ''
    const path = `${await portal.subscription()}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${name}`
    own = await portal.asOwner<Vm>('GET', managementHost, `${path}?api-version=2024-11-01`)
    for (const { id } of [own, other]) await portal.bootEvidence(id)
    await page.goto(`${portal.origin}/keys`)
    vault = (await page.getByRole('link', { name: /^keys-/ }).textContent()) ?? ''
  }, 600_000)
  afterAll(async () => await portal?.close())

  const policy = (): Locator => page.getByRole('textbox', { name: 'Text of the policy' })

  it('are listed by vault, with versions that are rotated and disabled', async () => {
    await expectAccessible(page)
    await page.getByRole('link', { name: vault }).click()
    await page.getByRole('region', { name: 'Keys' }).getByRole('link', { name: 'disk' }).click()
    const versions = page.getByRole('region', { name: 'Versions' })
    await versions.getByText('(current)').waitFor()
    const first = await versions.locator('code').first().textContent()
    await page.getByRole('button', { name: 'Rotate now' }).click()
    await expect.poll(() => versions.getByRole('row').count()).toBe(3)
    const rows = await versions.getByRole('row').allTextContents()
    expect(rows.filter((text) => text.includes('(current)'))).not.toContainEqual(expect.stringContaining(first!))
    await page.getByRole('button', { name: `Disable version ${first}` }).click()
    await page.getByRole('button', { name: `Enable version ${first}` }).waitFor()
    const path = `/keys/disk/${first}?api-version=7.6`
    const shown = await portal.asOwner<{ attributes: object }>('GET', vaultHost(vault), path)
    expect(shown.attributes).toMatchObject({ enabled: false })
    await page.getByRole('button', { name: `Enable version ${first}` }).click()
    await page.getByRole('button', { name: `Disable version ${first}` }).waitFor()
  })

  it('are rotated by a policy that is set here, and a wrong one is refused in the vault’s words', async () => {
    await page.getByLabel('New versions end after').fill('P1Y')
    await page.getByLabel('A new version, so long after the last').fill('P90D')
    await page.getByRole('button', { name: 'Set the rotation policy' }).click()
    await expect.poll(() => page.getByRole('button', { name: 'Set the rotation policy' }).isDisabled()).toBe(true)
    const path = '/keys/disk/rotationpolicy?api-version=7.6'
    expect(await portal.asOwner('GET', vaultHost(vault), path)).toMatchObject({
      attributes: { expiryTime: 'P1Y' },
      lifetimeActions: expect.arrayContaining([{ trigger: { timeAfterCreate: 'P90D' }, action: { type: 'Rotate' } }]),
    })
    await page.getByLabel('A new version, so long after the last').fill('P1D')
    await page.getByRole('button', { name: 'Set the rotation policy' }).click()
    await page.getByText('The action failed.').waitFor()
  })

  it('are released by a policy that is read, warned of and tried on stored decisions while one types', async () => {
    const trials = page.getByRole('region', { name: 'Results for stored decisions' })
    await trials.getByText('Yes').first().waitFor()
    await page.getByRole('list', { name: 'Warnings' }).getByText('AnyConfidentialVm').first().waitFor()
    const inForce = await policy().inputValue()
    await policy().fill(inForce.slice(0, -4))
    await page.getByText('This is not a release policy yet.').waitFor()
    expect(await page.getByRole('button', { name: 'Set this policy' }).isDisabled()).toBe(true)
    const bound = (vmId: string): string =>
      JSON.stringify({
        version: '1.0.0',
        anyOf: [
          {
            authority: 'https://sharedweu.weu.attest.strongroom.internal',
            allOf: [
              { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
              { claim: 'x-ms-runtime.vm-configuration.vmUniqueId', equals: vmId },
            ],
          },
        ],
      })
    await policy().fill(bound(own.properties.vmId.toUpperCase()))
    const row = (name: string): Locator => trials.getByRole('row', { name }).first()
    await expect.poll(() => row(own.name).textContent()).toContain('Yes')
    await expect
      .poll(() => row(other.name).textContent())
      .toMatch(/Nobecause of x-ms-runtime\.vm-configuration\.vmUniqueId = .*: found "/)
    expect(await page.getByRole('list', { name: 'Warnings' }).textContent()).not.toContain('AnyConfidentialVm')
    await expectAccessible(page)
    await page.getByRole('button', { name: 'Set this policy' }).click()
    await expect.poll(() => page.getByRole('button', { name: 'Set this policy' }).isDisabled()).toBe(true)
    const { release_policy } = await portal.asOwner<{ release_policy: { data: string } }>(
      'GET',
      vaultHost(vault),
      '/keys/disk?api-version=7.6',
    )
    const kept = Buffer.from(release_policy.data, 'base64url').toString()
    expect(JSON.parse(kept)).toEqual(JSON.parse(bound(own.properties.vmId.toUpperCase())))
  })

  it('have a log whose entries and growth are proven in the page', async () => {
    const page = await portal.signedIn(`/keys/${vault}`, await portal.context())
    const log = (): Locator => page.getByRole('region', { name: 'Operations log' })
    await log().getByText('This browser sees this log for the first time').waitFor()
    await log().getByRole('cell', { name: 'rotate' }).first().waitFor()
    const size = Number(/(\d+) entries, as the vault signed/.exec((await log().textContent()) ?? '')?.[1])
    await portal.asOwner('POST', vaultHost(vault), '/keys/disk/rotate?api-version=7.6')
    await page.reload()
    await log().getByText(`It continues the ${size} entries that this browser last saw`).waitFor()
    await log().getByRole('button', { name: 'Verify every entry' }).click()
    await log().getByText('Every entry was read and hashed in this page.').waitFor()
    await expectAccessible(page)
    await page.goto(`${portal.origin}/keys/platform`)
    await page.getByText('The keys could not be read.').waitFor()
    await log().getByText('entries, as the vault signed for them').waitFor()
    await expectAccessible(page)
  })

  it('have a log that shouts where it was cut, rewritten, edited or signed by another key, visit after visit', async () => {
    const forged = new ForgedLog(`${vaultHost(vault)}/operationlog`)
    const context = await portal.context()
    const victim = await portal.signedIn('/', context)
    await forged.stand(victim)
    const visit = async (): Promise<string> => {
      await victim.goto(`${portal.origin}/keys/${vault}`)
      const region = victim.getByRole('region', { name: 'Operations log' })
      const said = region.locator('.verdict, [role=alert]')
      await said.first().waitFor()
      return (await region.textContent()) ?? ''
    }
    forged.hold('create', 'release', 'rotate')
    expect(await visit()).toContain('3 entries, as the vault signed for them')
    forged.hold('create', 'release', 'rotate', 'disable')
    expect(await visit()).toContain('continues the 3 entries')
    forged.hold('create', 'release')
    for (let again = 0; again < 2; again += 1) {
      const cut = await visit()
      expect(cut).toMatch(/Do not trust.*LogCut/)
      expect(cut).not.toContain('as the vault signed')
    }
    forged.hold('create', 'rotate', 'rotate', 'disable', 'enable')
    expect(await visit()).toMatch(/Do not trust.*LogForked/)
    await expectAccessible(victim)
    forged.hold('create', 'release', 'rotate', 'disable', 'enable')
    expect(await visit()).toContain('continues the 4 entries')
    const honest = forged.entries
    await victim.route(`**/operationlog/tile/entries/**`, async (route) => {
      const lie = new ForgedLog('none')
      lie.hold('create', 'backup', 'rotate', 'disable', 'enable')
      const parts = lie.entries.map((entry) => Buffer.concat([Buffer.from([0, entry.length]), entry]))
      await route.fulfill({ status: 200, body: Buffer.concat(parts) })
    })
    expect(honest).toHaveLength(5)
    expect(await visit()).toMatch(/Do not trust.*RootMismatch/)
    await victim.unroute(`**/operationlog/tile/entries/**`)
    forged.changeKey()
    expect(await visit()).toMatch(/Do not trust.*LogKeyChanged/)
  })

  it('take no host’s name from the address of a page', async () => {
    const before = portal.requested.length
    await page.goto(`${portal.origin}/keys/${encodeURIComponent('evil.example/x?')}`)
    await page.getByRole('heading', { name: 'There is no such vault' }).waitFor()
    expect(portal.requested.slice(before).filter((url) => url.includes('evil.example/x'))).toEqual([])
  })
})
