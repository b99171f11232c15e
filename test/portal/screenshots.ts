import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PortalTest } from './support/portal.ts'

/**
 * Pictures of each page, light and dark, from a real server with one machine:
 *   npm run portal:screenshots [-- FOLDER]      docs/portal where no folder is named
 */
const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../../docs/portal'))
mkdirSync(folder, { recursive: true })
const portal = await PortalTest.open()
try {
  const page = await portal.signedIn('/', await portal.context({ viewport: { width: 1000, height: 620 } }))
  const take = async (name: string): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.jpg`), type: 'jpeg', quality: 60 })
    }
  }
  await page.goto(`${portal.origin}/machines/new`)
  await page.getByText('Nothing stands in the way').waitFor()
  await page.getByLabel('Name', { exact: true }).fill('web-1')
  await page.getByText('Nothing stands in the way').waitFor()
  await take('make')
  await page.getByRole('button', { name: 'Make web-1' }).click()
  await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
  await page.getByRole('region', { name: 'Activity' }).waitFor()
  await take('machine')
  await page.goto(`${portal.origin}/`)
  await page.getByText('Running').waitFor()
  await take('machines')
  await page.goto(`${portal.origin}/sizes?region=eastus&cores=96`)
  await page.getByRole('region', { name: 'Not here, because' }).getByRole('row').nth(1).waitFor()
  await take('sizes')
  await page.goto(`${portal.origin}/costs`)
  await page.getByRole('region', { name: 'Quotas' }).getByRole('row').nth(1).waitFor()
  await page.getByRole('region', { name: 'Costs of this month' }).waitFor()
  await take('costs')
  await page.goto(`${portal.origin}/access`)
  await page.getByRole('region', { name: 'Assignments' }).waitFor()
  await take('access')
} finally {
  await portal.close()
}
