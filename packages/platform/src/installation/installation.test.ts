import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defaultPorts, openInstallation } from './installation.ts'

function temporary(): string {
  const root = mkdtempSync(join(tmpdir(), 'strongroom-installation-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  return join(root, 'state')
}

describe('openInstallation', () => {
  it('makes an installation once and finds it again', async () => {
    const stateDir = temporary()
    const first = await openInstallation({ stateDir })
    expect(first).toMatchObject({
      created: true,
      installation: { mode: 'simulated', ports: defaultPorts, region: 'westeurope' },
    })
    expect(await openInstallation({ stateDir })).toEqual({ created: false, installation: first.installation })
    expect(statSync(stateDir).mode & 0o777).toBe(0o700)
  })

  it('gives two processes that start at once the same installation', async () => {
    const stateDir = temporary()
    const [a, b] = await Promise.all([openInstallation({ stateDir }), openInstallation({ stateDir })])
    expect(a.installation).toEqual(b.installation)
    expect([a.created, b.created].filter(Boolean)).toHaveLength(1)
    expect(readdirSync(stateDir)).toEqual(['installation.json'])
  })

  it('keeps ports that were given and refuses impossible ones', async () => {
    const stateDir = temporary()
    await openInstallation({ stateDir, ports: { tls: 9443 } })
    expect((await openInstallation({ stateDir })).installation.ports.tls).toBe(9443)
    expect((await openInstallation({ stateDir, ports: { local: 9444 } })).installation.ports).toEqual({
      tls: 9443,
      local: 9444,
    })
    for (const ports of [{ tls: 0 }, { tls: 65_536 }, { tls: 1.5 }, { tls: 9444 }]) {
      await expect(openInstallation({ stateDir, ports })).rejects.toMatchObject({ code: 'InvalidPort' })
    }
  })

  it('never turns a simulated installation into a real one', async () => {
    const stateDir = temporary()
    await openInstallation({ stateDir })
    await expect(openInstallation({ stateDir, mode: 'hardware' })).rejects.toMatchObject({
      code: 'InstallationModeFixed',
      expected: 'simulated',
      found: 'hardware',
    })
  })

  it('refuses a damaged record instead of making a new installation over it', async () => {
    const stateDir = temporary()
    const { installation } = await openInstallation({ stateDir })
    for (const text of ['', '{', '{}', 'null', JSON.stringify({ ...installation, tenantId: '../x' })]) {
      writeFileSync(join(stateDir, 'installation.json'), text)
      await expect(openInstallation({ stateDir }), text).rejects.toMatchObject({ code: 'InstallationUnreadable' })
    }
  })

  it('is started with the stores that it was made with alone: others would be another installation under its name', async () => {
    const code = { code: 'InstallationStoresFixed' }
    const inPostgres = temporary()
    await openInstallation({ stateDir: inPostgres, stores: 'postgres' })
    await openInstallation({ stateDir: inPostgres, stores: 'postgres' })
    await expect(openInstallation({ stateDir: inPostgres, stores: 'sqlite' })).rejects.toMatchObject({
      ...code,
      found: 'sqlite',
    })
    const inFiles = temporary()
    await openInstallation({ stateDir: inFiles })
    await openInstallation({ stateDir: inFiles, stores: 'sqlite' })
    await expect(openInstallation({ stateDir: inFiles, stores: 'postgres' })).rejects.toMatchObject({
      ...code,
      found: 'postgres',
    })
  })
})
