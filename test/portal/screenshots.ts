import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PortalTest } from './support/portal.ts'

/**
 * Screenshots of each page, light and dark, from a real server with one VM:
 *   npm run portal:screenshots [-- FOLDER]      docs/guides/portal by default
 */
const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../../docs/guides/portal'))
/** An unsigned token, which is decoded nevertheless. */
const token = [
  { alg: 'RS256', kid: '1' },
  { iss: 'https://attest.example', 'x-ms-attestation-type': 'sevsnpvm' },
]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .concat('AAAA')
  .join('.')
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
  await page.getByText('The machine can be created').waitFor()
  await page.getByLabel('Name', { exact: true }).fill('web-1')
  await page.getByText('The machine can be created').waitFor()
  await take('make')
  await page.getByRole('button', { name: 'Make web-1' }).click()
  await page.locator('.head .badge', { hasText: 'Running' }).waitFor()
  await page.getByRole('region', { name: 'Operations' }).getByText('Succeeded').waitFor()
  await take('machine')
  await page.getByRole('link', { name: 'Verify its boot' }).click()
  await page.getByLabel(/anchors\.json and ca\.pem/).setInputFiles(await portal.rootFiles())
  await page.getByRole('button', { name: /then pin them/ }).click()
  await page.locator('.links').waitFor()
  await take('trust')
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
  await page.goto(`${portal.origin}/machines/new`)
  await page.getByText('The machine can be created').waitFor()
  await page.getByRole('button', { name: 'Make a key of mine' }).click()
  await page.getByText('Made', { exact: true }).nth(5).waitFor()
  await page.goto(`${portal.origin}/keys`)
  await page.getByRole('link', { name: /^keys-/ }).click()
  await page.getByRole('region', { name: 'Operations log' }).getByRole('row').nth(1).waitFor()
  await take('keys')
  await page.getByRole('link', { name: 'disk', exact: true }).click()
  await page.getByRole('region', { name: 'Results for stored decisions' }).getByText('Yes').first().waitFor()
  await page
    .getByText('Tried on what was attested before')
    .evaluate((heading) => heading.scrollIntoView({ block: 'center' }))
  await take('key')
  await page.goto(`${portal.origin}/attestation`)
  await page.getByRole('region', { name: 'Platforms' }).getByRole('row').nth(1).waitFor()
  await page.getByRole('region', { name: 'Collateral' }).getByRole('row').nth(1).waitFor()
  await page.getByRole('heading', { name: 'Platforms: what is behind' }).scrollIntoViewIfNeeded()
  await take('attestation')
  await page.getByRole('link', { name: 'sharedweu' }).click()
  await page.getByText(/ would change$/).waitFor()
  await take('provider')
  await page.goto(`${portal.origin}/inspector`)
  await page.getByRole('textbox', { name: /^Paste/ }).fill(token)
  await page.getByRole('button', { name: 'Inspect the text' }).click()
  await page.getByRole('region', { name: 'Verdict' }).waitFor()
  await take('inspector')
} finally {
  await portal.close()
}
