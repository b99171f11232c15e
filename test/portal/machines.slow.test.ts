import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { Keyboard } from './support/keyboard.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

describe.skipIf(!chromiumIsInstalled)('machines in the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page

  beforeAll(async () => {
    portal = await PortalTest.open()
    page = await portal.signedIn()
  }, 300_000)
  afterAll(async () => await portal?.close())

  const asOwner = async (method: string, host: string, path: string, body?: object): Promise<unknown> =>
    await portal.asOwner(method, host, path, body)
  const subscription = async (): Promise<string> => await portal.subscription()

  const tabTo = async (role: 'button' | 'link', name: RegExp): Promise<void> =>
    await new Keyboard(page).tabTo(role, name)

  /** Counts clicks, by pointer or keyboard, until the page is reloaded. @returns reads the count */
  const countClicks = async (): Promise<() => Promise<number>> => {
    const counter = await page.evaluateHandle(() => {
      const seen = { clicks: 0 }
      addEventListener('click', ({ isTrusted }) => void (seen.clicks += isTrusted ? 1 : 0), { capture: true })
      return seen
    })
    return async () => await counter.evaluate(({ clicks }) => clicks)
  }

  const operations = (): Locator => page.getByRole('region', { name: 'Operations' })

  /** The last operation is this one, has ended, and lists this step with its time. */
  const steps = async (what: string, step: string): Promise<void> => {
    await operations().getByText(`${what} Succeeded`).waitFor()
    const row = operations().getByRole('listitem').filter({ hasText: step }).first()
    expect(await row.textContent()).toMatch(/^Done.*\d (ms|s)/)
  }

  it('are made, watched, stopped and started by the keyboard alone', async () => {
    await page.getByText('No machine yet').waitFor()
    const clicks = await countClicks()
    await tabTo('link', /^Make/)
    await page.keyboard.press('Enter')
    await page.getByText('The machine can be created').waitFor()
    await tabTo('button', /^Make vm-/)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'What it is' }).waitFor()
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    expect(await clicks()).toBe(2)
    await steps('Make', 'boot until the guest is ready')
    await tabTo('button', /^Stop$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('Memory is lost').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.head .badge', { hasText: 'Stopped' }).waitFor()
    await steps('Stop', 'wait until the VM is off')
    await tabTo('button', /^Start$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('measured and attested again').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    await steps('Start', 'boot until the guest is ready')
    await page.getByText('Earlier operations').focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await operations().getByText('wait until the VM is off').waitFor()
  })

  it('are accessible on each page, in light, dark and forced colours, and at 360 pixels', async () => {
    await expectAccessible(page)
    await page.goto(`${portal.origin}/`)
    await page.getByText('Running').waitFor()
    await expectAccessible(page)
    await page.goto(`${portal.origin}/machines/new`)
    await page.getByText('The machine can be created').waitFor()
    await page.getByText('The same request as text').click()
    await expectAccessible(page)
    await page.goto(`${portal.origin}/sizes`)
    await page.getByRole('heading', { name: /Not here, because/ }).waitFor()
    await expectAccessible(page)
  })

  it('are refused before they are asked for', async () => {
    await page.goto(`${portal.origin}/machines/new?region=eastus&size=Standard_DC2es_v5`)
    await page.getByText('eastus does not offer it. It is in').waitFor()
    expect(await page.getByRole('button', { name: /^Make vm-/ }).isDisabled()).toBe(true)
    await page.getByLabel('Region').selectOption('westeurope')
    await page.getByText('The machine can be created').waitFor()
  })

  it('are put under your own key by one button, which makes and shows all of it, in six clicks at most', async () => {
    await page.goto(`${portal.origin}/`)
    await page.getByText('Running').waitFor()
    const clicks = await countClicks()
    await page.getByRole('link', { name: 'Make one' }).click()
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: 'Make a key of mine' }).click()
    await expect.poll(() => page.getByText('Made', { exact: true }).count()).toBe(6)
    await page.getByText('The same as commands').click()
    const commands = (await page.getByLabel('Azure CLI for the key', { exact: true }).textContent()) ?? ''
    for (const command of ['az keyvault create', 'key create', 'az disk-encryption-set create', 'release', 'wrapKey'])
      expect(commands).toContain(command)
    await expectAccessible(page)
    await page.getByText('The machine can be created').waitFor()
    await page.getByRole('button', { name: /^Make vm-/ }).click()
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
    const made = await clicks()
    expect(made).toBeGreaterThanOrEqual(3)
    expect(made).toBeLessThanOrEqual(6)
    const name = (await page.getByRole('heading', { level: 1 }).textContent()) ?? ''
    const path = `${await subscription()}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${name}`
    const machine = await asOwner('GET', 'management.strongroom.internal', `${path}?api-version=2024-11-01`)
    expect(JSON.stringify(machine)).toMatch(/diskEncryptionSets\/set-[0-9a-f]{8}/)
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Machines' }).waitFor()
  })

  it('have sizes that say why: none is left out, and more cores are asked for with one click (rule S20)', async () => {
    await page.goto(`${portal.origin}/sizes?region=eastus&cores=96`)
    const bad = page.getByRole('region', { name: 'Not here, because' })
    await bad.getByText('eastus does not offer it. It is in').first().waitFor()
    await bad
      .getByText(/Quota: \d+ of \d+ cores are used/)
      .first()
      .waitFor()
    await bad
      .getByRole('button', { name: /^Request/ })
      .first()
      .click()
    await bad.getByText('the operator decides').waitFor()
    const { json } = await portal.installation.cli('quota', 'list')
    expect(JSON.stringify(json)).toContain('eastus')
    await page.goto(`${portal.origin}/sizes?encryption=NonPersistedTPM`)
    await bad.getByText('needs Intel TDX').first().waitFor()
    const rows = await page.getByRole('row').count()
    const skus = await page.getByRole('heading', { level: 2 }).allTextContents()
    // Two header rows in addition to the rows of both groups.
    expect(skus.reduce((sum, text) => sum + Number(/\d+$/.exec(text)?.[0]), 0)).toBe(rows - 2)
  })

  it('cost what their hours cost, and use quotas that are shown with what was asked for', async () => {
    await page.goto(`${portal.origin}/costs`)
    await page.getByText('This installation has no price list').waitFor()
    const costs = page.getByRole('region', { name: 'Costs of this month' })
    await costs.getByText('compute').first().waitFor()
    const quotas = page.getByRole('region', { name: 'Quotas' })
    const rows = async (): Promise<string[]> => await quotas.getByRole('row').allTextContents()
    // Two cores of the running VM.
    await expect
      .poll(async () => (await rows()).filter((text) => /DCA/i.test(text) && /2\d+Request /.test(text)).length)
      .toBe(1)
    await page.getByLabel('Region').selectOption('eastus')
    await page.getByText('InProgress').first().waitFor()
    await expectAccessible(page)
  })

  it('are converted once deallocated, or refused in the resource manager’s words, by the keyboard alone (rule S19)', async () => {
    await page.goto(`${portal.origin}/`)
    await page.getByRole('link', { name: /^vm-/ }).click()
    const convert = async (): Promise<Locator> => {
      await page.getByRole('button', { name: 'Convert' }).waitFor()
      await tabTo('button', /^Convert$/)
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').getByText('It moves to Intel TDX').waitFor()
      return page.getByRole('dialog')
    }
    const before = await convert()
    await before.getByText('It must be deallocated first').waitFor()
    expect(await before.getByRole('button', { name: 'Convert to DC2es_v5' }).isDisabled()).toBe(true)
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    await before.waitFor({ state: 'hidden' })
    await tabTo('button', /^Deallocate$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('releases its cores').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.head .badge', { hasText: 'Deallocated' }).waitFor()
    await convert()
    await tabTo('button', /^Convert to DC2es_v5$/)
    await page.keyboard.press('Enter')
    // The image of an installation without guests has no kernel that could run on both.
    const alert = page.getByRole('alert')
    await alert.getByText('The machine was not converted.').waitFor()
    for (const words of ['Unable to convert the VM', '6.2 or later', 'that does not declare its kernel', 'S19'])
      await alert.getByText(words).first().waitFor()
    await tabTo('button', /^Start$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByText('measured and attested again').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
  })

  it('are open to whom the page about access names', async () => {
    await page.goto(`${portal.origin}/access`)
    const assignments = page.getByRole('region', { name: 'Assignments' })
    await assignments.getByText('(you)').first().waitFor()
    await page.getByLabel('Filter by name or action').fill('virtual machine contributor')
    await page.getByText('Virtual Machine Contributor').first().click()
    await page.getByText('Microsoft.Compute/virtualMachines/*').first().waitFor()
    await expectAccessible(page)
  })

  it('are shown to each as that principal’s role allows', async () => {
    const scope = await subscription()
    const application = (await asOwner('POST', 'graph.strongroom.internal', '/v1.0/applications', {
      displayName: 'looks on',
    })) as { appId: string; id: string }
    const principal = (await asOwner('POST', 'graph.strongroom.internal', '/v1.0/servicePrincipals', {
      appId: application.appId,
    })) as { id: string }
    const secret = (await asOwner(
      'POST',
      'graph.strongroom.internal',
      `/v1.0/applications/${application.id}/addPassword`,
      {},
    )) as {
      secretText: string
    }
    const other = await (await portal.context()).newPage()
    await other.goto(portal.origin)
    await other.getByText('As an application').click()
    await other.getByLabel('Application (client) id').fill(application.appId)
    await other.getByLabel('Client secret').fill(secret.secretText)
    await other.getByRole('button', { name: 'Sign in as this application' }).click()
    await other.getByText('looks on', { exact: true }).waitFor()
    // Without a role, the page says so, and which role to ask for.
    await other.getByText('You may see no subscription').waitFor()
    const reader = `${scope}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`
    const assignment = `${scope}/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}`
    await asOwner('PUT', 'management.strongroom.internal', `${assignment}?api-version=2022-04-01`, {
      properties: { roleDefinitionId: reader, principalId: principal.id, principalType: 'ServicePrincipal' },
    })
    // As soon as the role is given, the page continues by itself; it shows what that role does not allow before the user tries.
    await other.getByText('1 machine', { exact: true }).waitFor()
    await other.getByRole('link', { name: 'Make one' }).click()
    await other.getByText('The resource manager would refuse this').waitFor()
    await other
      .getByText(/does not have authorization to perform action/)
      .first()
      .waitFor()
    expect(await other.getByRole('button', { name: /^Make vm-/ }).isDisabled()).toBe(true)
  })
})
