import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

interface Shown {
  properties: object
}

describe.skipIf(!chromiumIsInstalled)('the name of a machine in the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page
  beforeAll(async () => {
    portal = await PortalTest.open()
    page = await portal.signedIn()
  }, 300_000)
  afterAll(async () => await portal?.close())

  const taken = (): Locator => page.getByRole('alert').filter({ hasText: 'has a machine named' })
  const button = (): Locator => page.getByRole('button', { name: /^Make (vm-|TAKEN|soon|late)/ })

  it('is refused in the form, with a link to the machine', async () => {
    await portal.installation.must('vm', 'create', 'taken')
    await page.goto(`${portal.origin}/machines/new`)
    await page.getByText('The machine can be created').waitFor()
    await page.getByLabel('Name', { exact: true }).fill('TAKEN')
    await taken().getByText('Standard_DC2as_v5, Succeeded').waitFor()
    expect(await button().isDisabled()).toBe(true)
    expect(await taken().textContent()).toContain('strongroom vm resize')
    expect(await taken().getByRole('link').getAttribute('href')).toBe('/machines/strongroom/TAKEN')
    await expectAccessible(page)
  })

  it('is refused where the machine got it after the check, and after its network was made', async () => {
    const rival = async (name: string): Promise<object> =>
      (await portal.installation.must<Shown>('vm', 'create', name)).properties
    let late: object | undefined
    await page.route(/virtualMachines\/late\?/, async (route) => {
      if (route.request().method() === 'PUT') late = await rival('late')
      await route.continue()
    })
    for (const name of ['soon', 'late']) {
      await page.goto(`${portal.origin}/machines/new`)
      await page.getByLabel('Name', { exact: true }).fill(name)
      await page.getByText('The machine can be created').waitFor()
      await page.getByLabel('Size').selectOption('Standard_DC4as_v5')
      await page.getByText('The machine can be created').waitFor()
      const soon = name === 'soon' ? await rival(name) : undefined
      await button().click()
      await taken().waitFor()
      expect((await portal.installation.must<Shown>('vm', 'show', name)).properties, name).toEqual(soon ?? late)
    }
  })
})
