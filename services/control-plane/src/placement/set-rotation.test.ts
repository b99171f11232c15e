import { describe, expect, it } from 'vitest'
import {
  error,
  identityPath,
  instance,
  keyUrl,
  makeSet,
  makeVm,
  plane,
  setPath,
  setRequest,
  useSetPlane,
  vmId,
  vmWithSet,
} from '../testing/disk-encryption.ts'
import { group, makeNetwork, vmPath, type Loose } from '../testing/test-plane.ts'

useSetPlane()

describe('a change of the key', () => {
  const change = (version: string): Loose => ({ properties: { activeKey: { keyUrl: keyUrl(version) } } })
  const set = async (): Promise<Loose> => (await plane.send('GET', setPath('set'))).body

  it('is made at once where no VM is under the set, once the identity may use the new key', async () => {
    await makeSet()
    plane.wire.customerKeys.grants.clear()
    expect(error(await plane.send('PATCH', setPath('set'), change('2'))).code).toBe('KeyVaultAccessForbidden')
    plane.wire.customerKeys.grant(setPath('set'))
    const reply = await plane.send('PATCH', setPath('set'), change('2'))
    expect(reply.status).toBe(200)
    expect(reply.body.properties).toMatchObject({
      activeKey: { keyUrl: keyUrl('2') },
      previousKeys: [],
      lastKeyRotationTimestamp: expect.any(String),
    })
  })

  it('is refused while any VM of the set is not deallocated: each is named, none is changed', async () => {
    await makeSet()
    for (const name of ['vm1', 'vm2', 'vm3']) await makeVm(name)
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    await plane.run('POST', `${vmPath('vm2')}/powerOff`)
    const reply = await plane.send('PUT', setPath('set'), setRequest({ keyUrl: keyUrl('2') }))
    expect(reply.status).toBe(409)
    expect(error(reply)).toMatchObject({ code: 'OperationNotAllowed', found: 'vm2, vm3' })
    expect(reply.body.error.details.map(({ target }: Loose) => target)).toEqual([vmPath('vm2'), vmPath('vm3')])
    expect((await set()).properties).toMatchObject({
      activeKey: { keyUrl: keyUrl('1') },
      provisioningState: 'Succeeded',
    })
    expect((await instance('vm1')).guestStateWrappedBy).toBe(keyUrl('1'))
  })

  it('puts every guest state under the new key; the old one may go', async () => {
    await makeSet()
    for (const name of ['vm1', 'vm2']) {
      await makeVm(name)
      await plane.run('POST', `${vmPath(name)}/deallocate`)
    }
    const { reply, operation } = await plane.run('PUT', setPath('set'), setRequest({ keyUrl: keyUrl('2') }))
    expect(reply).toMatchObject({ status: 202, body: { properties: { provisioningState: 'Updating' } } })
    expect(operation.status).toBe('Succeeded')
    expect((await set()).properties).toMatchObject({
      activeKey: { keyUrl: keyUrl('2') },
      previousKeys: [],
      provisioningState: 'Succeeded',
    })
    plane.wire.customerKeys.keys.delete(keyUrl('1'))
    for (const name of ['vm1', 'vm2']) {
      expect((await instance(name)).guestStateWrappedBy).toBe(keyUrl('2'))
      expect((await plane.run('POST', `${vmPath(name)}/start`)).operation.status).toBe('Succeeded')
    }
  })

  it('that fails half way keeps both keys: each VM starts under its own, and the change can be gone on with', async () => {
    await makeSet()
    for (const name of ['vm1', 'vm2']) {
      await makeVm(name)
      await plane.run('POST', `${vmPath(name)}/deallocate`)
    }
    plane.wire.rewrapError = {
      vmId: await vmId('vm2'),
      error: { code: 'KeyReleaseRefused', message: 'not for this VM' },
    }
    const { operation } = await plane.run('PATCH', setPath('set'), change('2'))
    expect(operation).toMatchObject({
      status: 'Failed',
      error: { code: 'DiskEncryptionSetRotationFailed', details: [{ code: 'KeyReleaseRefused' }] },
    })
    expect((await set()).properties).toMatchObject({
      activeKey: { keyUrl: keyUrl('2') },
      previousKeys: [{ keyUrl: keyUrl('1') }],
      provisioningState: 'Failed',
    })
    for (const name of ['vm1', 'vm2']) {
      expect((await plane.run('POST', `${vmPath(name)}/start`)).operation.status).toBe('Succeeded')
      expect((await instance(name)).spec.customerKey.keyIds).toEqual([keyUrl('2'), keyUrl('1')])
    }
    // Each VM's own key counts: vm2 is under the old one.
    plane.wire.customerKeys.keys.set(keyUrl('1'), { attributes: { enabled: false } })
    for (const name of ['vm1', 'vm2']) await plane.run('POST', `${vmPath(name)}/deallocate`)
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
    expect(error(await plane.send('POST', `${vmPath('vm2')}/start`))).toMatchObject({
      code: 'KeyVaultKeyNotEnabled',
      target: keyUrl('1'),
    })
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    plane.wire.customerKeys.keys.set(keyUrl('1'), {})
    plane.wire.rewrapError = undefined
    expect((await plane.run('PATCH', setPath('set'), change('2'))).operation.status).toBe('Succeeded')
    expect((await set()).properties).toMatchObject({ previousKeys: [], provisioningState: 'Succeeded' })
    expect((await instance('vm2')).guestStateWrappedBy).toBe(keyUrl('2'))
  })

  it('keeps VMs of the set from being made or started until it has ended', async () => {
    await makeSet()
    await makeVm('vm1')
    await makeNetwork(plane, 'vm2')
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    let release = (): void => {}
    const held = new Promise<void>((done) => (release = done))
    plane.wire.afterEffect = async (call) => (call.endsWith('/rewrap') ? await held : undefined)
    const reply = await plane.send('PATCH', setPath('set'), change('2'))
    expect(reply.status).toBe(202)
    const racing = await Promise.all([
      plane.send('POST', `${vmPath('vm1')}/start`),
      plane.send('PUT', vmPath('vm2'), vmWithSet('vm2', setPath('set'))),
    ])
    for (const each of racing) expect(error(each)).toMatchObject({ code: 'OperationNotAllowed', found: 'Updating' })
    expect((await plane.send('PATCH', setPath('set'), change('1'))).status).toBe(409)
    expect((await plane.send('PATCH', setPath('set'), change('2'))).headers['azure-asyncoperation']).toBe(
      reply.headers['azure-asyncoperation'],
    )
    release()
    expect((await plane.follow(reply)).status).toBe('Succeeded')
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
  })

  it('goes with its group: sets after their VMs, identities after the sets', async () => {
    await makeSet()
    await makeVm('vm1')
    await plane.send('PUT', identityPath('ana'), { location: 'westeurope' })
    expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
    expect([...plane.wire.identities.keys()]).toEqual([])
  })
})
