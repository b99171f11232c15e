import { join } from 'node:path'
import type { AddedHost } from '@strongroom/contract'
import { joinFleet } from '@strongroom/host/agent'
import { freePort } from '@strongroom/platform'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible } from './support/accessible.ts'
import { chromiumIsInstalled, PortalTest } from './support/portal.ts'

describe.skipIf(!chromiumIsInstalled)('sizes in the portal', { timeout: 300_000 }, () => {
  let portal: PortalTest
  let page: Page

  beforeAll(async () => {
    portal = await PortalTest.open({ args: ['--fleet-address', `127.0.0.1:${await freePort()}`] })
    page = await portal.signedIn('/sizes?region=westeurope')
  }, 300_000)
  afterAll(async () => await portal?.close())

  const group = (title: string) => page.getByRole('region', { name: title, exact: true })
  const noTdx = 'No host in westeurope has Intel TDX. There is rack-1, with other silicon.'

  it('say where no host has their silicon, once machines go to hosts that have joined', async () => {
    await group('You can have it').getByRole('row').filter({ hasText: 'DC2es_v5' }).first().waitFor()
    expect(await page.getByText('No host in westeurope').count()).toBe(0)
    const added = await portal.installation.must<AddedHost>(
      'host',
      'add',
      'rack-1',
      '--cores',
      '64',
      '--memory',
      '256',
      '--silicon',
      'snp',
    )
    await joinFleet({
      directory: join(portal.installation.home, 'rack-1'),
      address: added.address,
      code: added.joinCode,
    })
    await page.reload()
    const refused = group('Not here, because …').getByRole('row').filter({ hasText: 'DC2es_v5' }).first()
    await refused.getByText(noTdx).waitFor()
    await group('You can have it').getByRole('row').filter({ hasText: 'DC2as_v5' }).first().waitFor()
    expect(await group('You can have it').getByText('Intel TDX').count()).toBe(0)
    await expectAccessible(page)
  })

  it('are refused for it before anything is sent', async () => {
    await page.goto(`${portal.origin}/machines/new?region=westeurope&size=Standard_DC2es_v5`)
    await page.getByRole('region', { name: 'Pre-flight' }).getByText(noTdx).waitFor()
    expect(await page.getByRole('button', { name: /^Make vm-/ }).isDisabled()).toBe(true)
  })

  it('are held to an image by the address, which somebody may send', async () => {
    const image = 'Strongroom:debian-13:cvm:latest'
    await page.goto(`${portal.origin}/sizes?image=${encodeURIComponent(image)}`)
    await expect.poll(() => page.getByLabel('Image').inputValue()).toBe(image)
    await group('You can have it').getByRole('row').filter({ hasText: 'DC2as_v5' }).first().waitFor()
  })
})
