import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../../testing/sqlite-plane.ts'
import { group, makeNetwork, vmPath, vmRequest, type Loose } from '../../../../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
const disk = (name: string): string => `${group}/providers/Microsoft.Compute/disks/${name}`
const imageReference = { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' }

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterAll(() => plane?.close())

const make = async (name: string, creationData: Loose, more: Loose = {}): Promise<Loose> =>
  await plane.send('PUT', disk(name), {
    location: 'westeurope',
    properties: { creationData, osType: 'Linux', ...more },
  })

describe('disks', () => {
  it('show their size in bytes, however they are made', async () => {
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const os = (await plane.send('GET', vmPath('vm1'))).body.properties.storageProfile.osDisk.managedDisk.id
    await make('empty', { createOption: 'Empty' }, { osType: undefined, diskSizeGB: 4 })
    await make('image', { createOption: 'FromImage', imageReference })
    await make('upload', { createOption: 'Upload', uploadSizeBytes: 20 * 2 ** 20 + 512 })
    const snapshot = disk('copy').replace('/disks/', '/snapshots/')
    const creationData = { createOption: 'Copy', sourceResourceId: disk('empty') }
    await plane.send('PUT', snapshot, { location: 'westeurope', properties: { creationData } })
    for (const path of [os, ...['empty', 'image', 'upload'].map(disk), snapshot]) {
      const { diskSizeGB, diskSizeBytes } = (await plane.send('GET', path)).body.properties
      expect([path, diskSizeBytes]).toEqual([path, diskSizeGB * 2 ** 30])
      expect(diskSizeGB).toBeGreaterThan(0)
    }
  })

  it.each([
    ['Read', 'image', 'download'],
    ['Write', 'upload', 'upload'],
  ])('have no content for access %s where compute is simulated', async (access, name, word) => {
    const reply = await plane.send('POST', `${disk(name)}/beginGetAccess`, { access, durationInSeconds: 60 })
    expect(reply.body.error).toMatchObject({
      code: 'NoDiskContent',
      message: `Compute is simulated in this installation: disks have no content to ${word}.`,
    })
  })

  it('are read and written as VHD', async () => {
    for (const access of ['Read', 'Write']) {
      const body = { access, durationInSeconds: 60, fileFormat: 'VHDX' }
      const reply = await plane.send('POST', `${disk('upload')}/beginGetAccess`, body)
      expect(reply.body.error.message).toBe('Disks are read and written as VHD.')
    }
  })

  it('from a confidential image are not confidential, because a guest state is made with a VM', async () => {
    const securityType = 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey'
    const { body } = await make(
      'secured',
      { createOption: 'FromImage', imageReference },
      { securityProfile: { securityType } },
    )
    expect(body.error).toMatchObject({
      code: 'InvalidParameter',
      message: `A disk from an image cannot have the security type '${securityType}': its guest state is made with a VM, not with a disk.`,
      innererror: { remedy: expect.stringContaining('az vm create --image') },
    })
  })
})
