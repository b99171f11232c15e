import { describe, expect, it } from 'vitest'
import { cvmPolicy } from '../../testing/fake-customer-keys.ts'
import {
  error,
  instance,
  keyUrl,
  makeSet,
  makeVm,
  plane,
  setPath,
  useSetPlane,
  vmWithSet,
} from '../../testing/disk-encryption.ts'
import { makeNetwork, vmPath, vmRequest } from '../../testing/test-plane.ts'

let answersAzureNames = false
useSetPlane({ answersAzureNames: () => answersAzureNames })

describe('a VM under a customer’s key', () => {
  it('tells the host of the key, shows the set, and keeps it from being deleted', async () => {
    await makeSet()
    await makeVm('vm1')
    expect((await instance('vm1')).spec.customerKey).toEqual({
      diskEncryptionSet: setPath('set'),
      identity: setPath('set'),
      keyIds: [keyUrl('1')],
    })
    const vm = await plane.send('GET', vmPath('vm1'))
    const { managedDisk } = vm.body.properties.storageProfile.osDisk
    expect(managedDisk.securityProfile).toEqual({
      securityEncryptionType: 'DiskWithVMGuestState',
      diskEncryptionSet: { id: setPath('set') },
    })
    expect((await plane.send('GET', managedDisk.id)).body.properties.securityProfile).toEqual({
      securityType: 'ConfidentialVM_DiskEncryptedWithCustomerKey',
      secureVMDiskEncryptionSetId: setPath('set'),
    })
    expect((await plane.send('GET', `${setPath('set')}/associatedResources`)).body.value).toEqual([managedDisk.id])
    const kept = await plane.send('DELETE', setPath('set'))
    expect(kept.status).toBe(409)
    expect(error(kept)).toMatchObject({ code: 'OperationNotAllowed', found: 'vm1' })
    await plane.run('DELETE', vmPath('vm1'))
    expect((await plane.send('DELETE', setPath('set'))).status).toBe(200)
  })

  it('keeps its set: another one, or none laid over one, is refused', async () => {
    await makeSet()
    await makeSet('other')
    await makeVm('vm1')
    const change = await plane.send('PUT', vmPath('vm1'), vmWithSet('vm1', setPath('other')))
    expect(change.status).toBe(409)
    expect(error(change)).toMatchObject({
      code: 'PropertyChangeNotAllowed',
      target: 'storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet.id',
    })
    // az's full PUTs omit what they do not know.
    expect((await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'))).status).toBe(200)
  })

  it("whose policy names Azure's provider is made while that name is answered, and otherwise refused with one remedy", async () => {
    const azure = 'https://sharedweu.weu.attest.azure.net'
    const policy = cvmPolicy(`${azure}/`)
    plane.wire.customerKeys.keys.set(keyUrl('1'), { policy })
    await makeSet()
    await makeNetwork(plane, 'vm1')
    const refused = await plane.send('PUT', vmPath('vm1'), vmWithSet('vm1', setPath('set')))
    expect(error(refused)).toMatchObject({ code: 'KeyVaultKeyReleasePolicyNotSatisfiable', found: `${azure}/` })
    expect(error(refused).remedy).toMatch(
      /^Replace the authority https:\/\/sharedweu\.weu\.attest\.azure\.net by https:\/\/sharedweu\.weu\.attest\.strongroom\.internal, /,
    )
    answersAzureNames = true
    try {
      await makeVm('vm1')
    } finally {
      answersAzureNames = false
    }
  })

  it('is refused where the set cannot be used, before anything is made', async () => {
    await makeSet()
    await makeNetwork(plane, 'vm1')
    const body = vmWithSet('vm1', setPath('set'))
    const withoutDisk = structuredClone(body)
    withoutDisk.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = 'VMGuestStateOnly'
    expect(error(await plane.send('PUT', vmPath('vm1'), withoutDisk))).toMatchObject({
      code: 'InvalidParameter',
      found: setPath('set'),
    })
    const nobody = await plane.send('PUT', vmPath('vm1'), vmWithSet('vm1', setPath('nobody')))
    expect(error(nobody)).toMatchObject({ code: 'InvalidResourceReference' })
    const { keys, grants } = plane.wire.customerKeys
    const cases: [() => void, string][] = [
      [() => grants.delete(`${setPath('set').toLowerCase()} unwrapkey`), 'KeyVaultAccessForbidden'],
      [() => plane.wire.customerKeys.grant(setPath('set')), ''],
      [() => keys.set(keyUrl('1'), { attributes: { enabled: false } }), 'KeyVaultKeyNotEnabled'],
      [() => keys.set(keyUrl('1'), { attributes: { exp: 1 } }), 'KeyVaultKeyExpired'],
      [() => keys.set(keyUrl('1'), { attributes: { nbf: 9_999_999_999 } }), 'KeyVaultKeyNotYetValid'],
      [() => keys.set(keyUrl('1'), { deleted: true }), 'KeyVaultKeyNotFound'],
      [() => keys.set(keyUrl('1'), { kty: 'RSA' }), 'KeyVaultKeyTypeNotSupported'],
      [() => keys.set(keyUrl('1'), { keyOps: ['encrypt'] }), 'KeyVaultKeyOperationNotPermitted'],
      [() => keys.set(keyUrl('1'), { policy: null }), 'KeyVaultKeyNotExportable'],
      [
        () => keys.set(keyUrl('1'), { policy: cvmPolicy('https://alpha.weu.attest.strongroom.internal') }),
        'KeyVaultKeyReleasePolicyNotSatisfiable',
      ],
      [
        () => {
          const policy = cvmPolicy()
          policy.anyOf[0] = {
            authority: policy.anyOf[0]!.authority,
            allOf: [{ claim: 'x-ms-isolation-tee.x-ms-attestation-type', equals: 'sevsnpvm' }],
          }
          keys.set(keyUrl('1'), { policy })
        },
        'KeyVaultKeyReleasePolicyNotSatisfiable',
      ],
    ]
    for (const [arrange, code] of cases) {
      arrange()
      if (code === '') continue
      const reply = await plane.send('PUT', vmPath('vm1'), body)
      expect(reply.status, code).toBeGreaterThanOrEqual(400)
      expect(error(reply)).toMatchObject({
        code,
        target: keyUrl('1'),
        expected: expect.any(String),
        found: expect.any(String),
        remedy: expect.any(String),
      })
    }
    expect((await plane.send('GET', vmPath('vm1'))).status).toBe(404)
    expect(plane.wire.instances.size).toBe(0)
  })

  it('goes on while its key is disabled, is not started again, and starts once the key is enabled', async () => {
    await makeSet()
    await makeVm('vm1')
    const { keys } = plane.wire.customerKeys
    keys.set(keyUrl('1'), { attributes: { enabled: false } })
    expect((await instance('vm1')).power.state).toBe('Ready')
    const restart = await plane.send('POST', `${vmPath('vm1')}/restart`)
    expect(error(restart)).toMatchObject({ code: 'KeyVaultKeyNotEnabled', expected: 'enabled', found: 'disabled' })
    expect((await instance('vm1')).power.state).toBe('Ready')
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    const start = await plane.send('POST', `${vmPath('vm1')}/start`)
    expect(start.status).toBe(409)
    expect(error(start)).toMatchObject({ code: 'KeyVaultKeyNotEnabled', target: keyUrl('1') })
    // The start had not begun: its cores are still free.
    expect((await plane.send('GET', `${vmPath('vm1')}/instanceView`)).body.statuses[1].code).toBe(
      'PowerState/deallocated',
    )
    keys.set(keyUrl('1'), {})
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
  })
})
