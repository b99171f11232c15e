import type { BootEvidence } from '@strongroom/contract'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

const provider = 'sharedweu.weu.attest.strongroom.internal'
const nobody = 'version=1.0;authorizationrules{[type=="x-ms-sevsnpvm-vmpl", value==9]=>permit();};'

interface Vm {
  id: string
  name: string
  properties: { vmId: string }
}

describe.skipIf(!chromiumIsInstalled)('attestation in the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page
  let evidence: BootEvidence

  beforeAll(async () => {
    portal = await PortalTest.open()
    for (const [name, size] of [
      ['intel', 'Standard_DC2es_v5'],
      ['amd', 'Standard_DC2as_v5'],
    ] as const) {
      const { id } = await portal.installation.must<Vm>('vm', 'create', name, '--size', size)
      evidence = await portal.bootEvidence<BootEvidence>(id)
    }
    page = await portal.signedIn('/attestation')
  }, 600_000)
  afterAll(async () => await portal?.close())

  const text = (): Locator => page.getByRole('textbox', { name: 'Text of the policy' })
  const count = (): Locator => page.getByText(/ would change$/)

  const attest = async (): Promise<number> => await portal.attest(evidence)

  it('shows how far each platform is behind, now and at the vendor’s next set, and the age of what the vendors say', async () => {
    const platforms = page.getByRole('region', { name: 'Platforms' })
    const intel = platforms.getByRole('row', { name: /^Intel/ })
    await intel.waitFor()
    expect(await intel.textContent()).toMatch(
      new RegExp(
        'intelUpToDatenothingOutOfDate at evaluation 19SGX component 1 ' +
          '\\(Early Microcode Update\\): 3 found, 4 wanted, 1 behind\\. Install the newer BIOS',
      ),
    )
    expect(await platforms.getByRole('row', { name: /^AMD/ }).textContent()).toMatch(
      /amdUpToDatenothingAMD does not announce the next set/,
    )
    const collateral = page.getByRole('region', { name: 'Collateral' })
    await collateral.getByRole('row', { name: /^TDX TCB info, early/ }).waitFor()
    const list = await collateral.getByRole('row', { name: /^AMD revocation list/ }).textContent()
    expect(list).toMatch(/installationcurrent[\d.]+ (s|min)/)
    await expectAccessible(page)
  })

  it('is what strongroom collateral shortfall prints', async () => {
    interface Platform {
      kind: string
      status: string
      vmIds: string[]
      lacks: unknown[]
      next: { state: string; status?: string; lacks?: { component: string; found: number; wanted: number }[] }
    }
    const found = await portal.installation.must<Platform[]>('collateral', 'shortfall')
    const intel = found.find(({ kind }) => kind.startsWith('Intel'))
    expect(intel).toMatchObject({ status: 'UpToDate', lacks: [], vmIds: [expect.any(String)] })
    expect(intel!.next).toMatchObject({ state: 'outOfDate', status: 'OutOfDate' })
    expect(intel!.next.lacks).toMatchObject([
      { component: 'SGX component 1 (Early Microcode Update)', found: 3, wanted: 4 },
    ])
    expect(found.find(({ kind }) => kind.startsWith('AMD'))).toMatchObject({
      status: 'UpToDate',
      next: { state: 'none' },
    })
    const one = await portal.installation.must<Platform[]>('collateral', 'shortfall', '--provider', provider)
    expect(one).toEqual(found)
  })

  it('holds a policy to what was decided while one types: which would change, and why', async () => {
    await page.getByRole('link', { name: 'sharedweu' }).click()
    await count().waitFor()
    expect(await count().textContent()).toMatch(/^0 of [1-9]/)
    await text().fill(nobody.slice(0, 40))
    await page.getByText(/This is not a policy yet: line 1, column \d+/).waitFor()
    expect(await page.getByRole('button', { name: 'Set this policy' }).isDisabled()).toBe(true)
    await text().fill(nobody)
    await expect.poll(() => count().textContent()).toMatch(/^([1-9]\d*) of \1 would change$/)
    const answers = page.getByRole('region', { name: 'Results for stored decisions' })
    expect(await answers.getByRole('row').nth(1).textContent()).toMatch(
      /PermittedDeniedchangesexpected .*x-ms-sevsnpvm-vmpl.*found x-ms-sevsnpvm-vmpl is 0/,
    )
    await text().fill('version=1.0;authorizationrules{=>permit();};')
    await page.getByRole('list', { name: 'Warnings' }).getByText('PermitsEverything').waitFor()
    expect(await count().textContent()).toMatch(/^0 of/)
    await expectAccessible(page)
  })

  it('sets a policy, shows what it denied and why, and tries another one on what was denied', async () => {
    await text().fill(nobody)
    await page.getByRole('button', { name: 'Set this policy' }).click()
    await expect.poll(() => page.getByRole('button', { name: 'Back to the one in force' }).count()).toBe(0)
    expect(await attest()).toBe(400)
    await page.getByLabel('Outcome').selectOption('Denied')
    const decisions = page.getByRole('region', { name: 'Decisions' })
    await decisions.getByText('PolicyEvaluationError').first().click()
    await decisions
      .getByText(/x-ms-sevsnpvm-vmpl is 0/)
      .first()
      .waitFor()
    const outcomes = await decisions.getByRole('row').locator('td .badge').allTextContents()
    expect(new Set(outcomes)).toEqual(new Set(['Denied']))
    await page.getByRole('button', { name: 'Reset to the default' }).click()
    await expect.poll(() => text().inputValue()).not.toContain('value==9')
    expect(await attest()).toBe(200)
    await text().fill(nobody)
    await expect.poll(() => count().textContent()).toMatch(/^([2-9]) of \1 would change$/)
    await expectAccessible(page)
  })
})
