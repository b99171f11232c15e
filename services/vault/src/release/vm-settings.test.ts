import { settingsClaim } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { createTestVault, keyRequest, transferJwk, vmId, type Answer } from '../testing/test-vault.ts'

const [own, other] = ['ab'.repeat(32), 'cd'.repeat(32)]

describeStores('the key of a VM that is bound to its settings', (open) => {
  const setUp = async () => {
    const store = await open()
    const vault = await createTestVault(store)
    onTestFinished(() => vault.close())
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const path = `/keys/vm-1/${(made.body.key.kid as string).split('/').at(-1)}`
    const ask = async (
      stated: unknown,
      o: { to?: string; boot?: boolean; generation?: number } = {},
    ): Promise<Answer> => {
      const { to = 'release', boot = true, ...more } = o
      const runtime = {
        keys: [transferJwk, ...(boot ? [{ ...transferJwk, kid: 'HCLAkPub', key_ops: ['sign'] }] : [])],
        'vm-configuration': { vmUniqueId: vmId, ...(stated !== undefined && { [settingsClaim]: stated }) },
      }
      const target = vault.provider.token({ ...vault.claims, 'x-ms-runtime': runtime })
      return await vault.call('orchestrator', 'POST', `${path}/${to}`, { target, ...more })
    }
    return { store, vault, ask }
  }
  const changed = (expected: string, found: string): object => ({
    status: 403,
    body: { error: { code: 'Forbidden', innererror: { code: 'SettingsChanged', expected, found } } },
  })

  it('is released to boots with the settings of its first release, and to no others (attack H25)', async () => {
    const { store, ask } = await setUp()
    expect((await ask(own)).status).toBe(200)
    expect((await ask(own)).status).toBe(200)
    expect(await ask(other)).toMatchObject(changed(own, other))
    expect(await ask(undefined)).toMatchObject(changed(own, 'no such claim'))
    for (const stated of ['', own.toUpperCase(), 7, null, [own]])
      expect(await ask(stated)).toMatchObject({ status: 403 })
    const logged = await loggedIn(store)
    expect(logged.filter(({ code }) => code === 'Forbidden')).toHaveLength(7)
    expect((await ask(own)).status).toBe(200)
  })

  it('of a VM that was made before is bound from the first boot on that states settings (attack H25)', async () => {
    const { ask } = await setUp()
    expect((await ask(undefined)).status).toBe(200)
    expect((await ask('not a digest')).status).toBe(403)
    expect((await ask(own)).status).toBe(200)
    expect(await ask(undefined)).toMatchObject(changed(own, 'no such claim'))
  })

  it('counts no generation for a boot with other settings (attack H25)', async () => {
    const { ask } = await setUp()
    expect((await ask(own)).status).toBe(200)
    const to = 'guest-state-generation'
    expect(await ask(other, { to, generation: 5 })).toMatchObject(changed(own, other))
    expect((await ask(own, { to, generation: 1 })).body).toEqual({ generation: 1 })
  })

  it('is released where no vTPM runs, to copy the guest state, without settings, but not with others', async () => {
    const { ask } = await setUp()
    await ask(own)
    expect((await ask(undefined, { boot: false })).status).toBe(200)
    expect(await ask(other, { boot: false })).toMatchObject(changed(own, other))
  })

  it('forgets the settings of a VM that is deleted', async () => {
    const { vault, ask } = await setUp()
    await ask(own)
    expect((await vault.manage('controlPlane', 'DELETE', `/vms/${vmId}/firmware`)).status).toBe(204)
    expect((await ask(other)).status).toBe(200)
    expect(await ask(own)).toMatchObject(changed(other, own))
  })
})
