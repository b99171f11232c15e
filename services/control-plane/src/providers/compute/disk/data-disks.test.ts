import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import { group, makeNetwork, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
const disk = (name: string): string => `${group}/providers/Microsoft.Compute/disks/${name}`
const emptyDisk = { location: 'westeurope', properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 8 } }

beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
})
afterEach(async () => await plane.close())

const withDisks = (name: string, dataDisks: Loose[]): Loose => {
  const body = vmRequest(name)
  body.properties.storageProfile.dataDisks = dataDisks
  return body
}
const machineLuns = async (): Promise<number[]> => {
  const [row] = await plane.store.db.selectFrom('simulated_instance').selectAll().execute()
  const { dataDisks } = JSON.parse(String(row!['status'])) as { dataDisks?: { lun: number }[] }
  return (dataDisks ?? []).map(({ lun }) => lun)
}
const storedAtHost = async (): Promise<Loose[]> => {
  const rows = await plane.store.db.selectFrom('simulated_disk').selectAll().execute()
  return rows.map((row) => JSON.parse(String(row['status'])) as Loose)
}
const code = (body: Loose): unknown => body.error?.code

describe('data disks', () => {
  it('are made with a VM, attached and detached while it runs, and go with it where it says so', async () => {
    await plane.send('PUT', disk('own'), emptyDisk)
    const { reply } = await plane.run(
      'PUT',
      vmPath('vm1'),
      withDisks('vm1', [{ lun: 0, createOption: 'Empty', diskSizeGB: 4, deleteOption: 'Delete' }]),
    )
    const [made] = reply.body.properties.storageProfile.dataDisks
    expect((await plane.send('GET', made.managedDisk.id)).body).toMatchObject({
      managedBy: vmPath('vm1'),
      properties: { diskState: 'Attached' },
    })

    const shown = (await plane.send('GET', vmPath('vm1'))).body
    shown.properties.storageProfile.dataDisks.push({ lun: 1, createOption: 'Attach', managedDisk: { id: disk('own') } })
    const attached = await plane.run('PUT', vmPath('vm1'), shown)
    expect(attached.reply.body.properties).toMatchObject({ provisioningState: 'Updating' })
    expect(attached.reply.body.properties.storageProfile.dataDisks).toHaveLength(2)
    expect(attached.operation.status).toBe('Succeeded')
    expect((await plane.send('GET', vmPath('vm1'))).body.properties.provisioningState).toBe('Succeeded')
    expect(await machineLuns()).toEqual([0, 1])
    expect(code((await plane.send('DELETE', disk('own'))).body)).toBe('OperationNotAllowed')

    shown.properties.storageProfile.dataDisks[1].toBeDetached = true
    shown.properties.storageProfile.dataDisks[1].detachOption = 'ForceDetach'
    await plane.run('PUT', vmPath('vm1'), shown)
    expect(await machineLuns()).toEqual([0])
    expect((await plane.send('GET', disk('own'))).body.properties.diskState).toBe('Unattached')

    expect((await plane.run('DELETE', vmPath('vm1'))).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', made.managedDisk.id)).status).toBe(404)
    expect((await plane.run('DELETE', disk('own'))).operation.status).toBe('Succeeded')
    expect(await storedAtHost()).toEqual([])
  })

  it('are theirs whom they were before where the host cannot attach them, and one that was made for it is gone', async () => {
    await plane.send('PUT', disk('own'), emptyDisk)
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', [{ lun: 0, createOption: 'Empty', diskSizeGB: 4 }]))
    const shown = (await plane.send('GET', vmPath('vm1'))).body
    const disks = shown.properties.storageProfile.dataDisks as Loose[]
    const changed = [
      { ...disks[0], toBeDetached: true },
      { lun: 1, createOption: 'Attach', managedDisk: { id: disk('own') } },
      { lun: 2, createOption: 'Empty', name: 'fresh', diskSizeGB: 2 },
    ]
    const own = (await plane.send('GET', disk('own'))).body.properties.uniqueId.toUpperCase() as string
    // Another owner's at the host, whatever the resource manager's records.
    const spec = { id: own, name: 'own', source: { from: 'empty', sizeGiB: 8 } }
    const status = {
      id: own,
      state: 'Succeeded',
      steps: [],
      sizeBytes: 8 * 2 ** 30,
      missing: [],
      attachedTo: 'ANOTHER',
    }
    await plane.store.db
      .insertInto('simulated_disk')
      .values({ id: own, spec: JSON.stringify(spec), status: JSON.stringify(status) })
      .execute()
    const { operation } = await plane.run('PUT', vmPath('vm1'), withDisks('vm1', changed))
    expect(operation).toMatchObject({ status: 'Failed', error: { code: 'DataDiskInUse' } })
    const after = (await plane.send('GET', vmPath('vm1'))).body.properties
    expect(after.provisioningState).toBe('Succeeded')
    expect(after.storageProfile.dataDisks.map((each: Loose) => each.lun)).toEqual([0])
    expect(await machineLuns()).toEqual([0])
    expect((await plane.send('GET', disk('own'))).body.properties.diskState).toBe('Unattached')
    expect((await plane.send('GET', disk('fresh'))).status).toBe(404)
  })

  it('are told to the host as large as they have become, and found missing rather than recreated', async () => {
    await plane.send('PUT', disk('own'), emptyDisk)
    const attach = [{ lun: 3, createOption: 'Attach', managedDisk: { id: disk('own') } }]
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', attach))
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', []))
    await plane.send('PATCH', disk('own'), { properties: { diskSizeGB: 16 } })
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', attach))
    const [kept] = await storedAtHost()
    expect(kept).toMatchObject({ sizeBytes: 16 * 2 ** 30 })
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', []))
    await plane.store.db.deleteFrom('simulated_disk').execute()
    const { operation } = await plane.run('PUT', vmPath('vm1'), withDisks('vm1', attach))
    expect(operation).toMatchObject({ status: 'Failed', error: { code: 'DataDiskMissing' } })
  })

  it('stay as they are where a request does not name them', async () => {
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', [{ lun: 0, createOption: 'Empty', diskSizeGB: 4 }]))
    const { body } = await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })
    expect(body.properties.storageProfile.dataDisks).toHaveLength(1)
  })

  it('belong to one VM at a time', async () => {
    await plane.send('PUT', disk('own'), emptyDisk)
    const attach = [{ lun: 0, createOption: 'Attach', managedDisk: { id: disk('own') } }]
    await plane.run('PUT', vmPath('vm1'), withDisks('vm1', attach))
    await makeNetwork(plane, 'vm2')
    expect(code((await plane.send('PUT', vmPath('vm2'), withDisks('vm2', attach))).body)).toBe(
      'AttachDiskWhileBeingDetached',
    )
    expect((await plane.send('GET', vmPath('vm2'))).status).toBe(404)
  })

  it.each([
    [
      'two of one LUN',
      [
        { lun: 0, createOption: 'Empty' },
        { lun: 0, createOption: 'Empty' },
      ],
      'InvalidParameter',
    ],
    [
      'more than the size bears',
      Array.from({ length: 9 }, (_, lun) => ({ lun, createOption: 'Empty' })),
      'OperationNotAllowed',
    ],
    [
      'one that is not there',
      [{ lun: 0, createOption: 'Attach', managedDisk: { id: disk('none') } }],
      'LinkedOrMissing',
    ],
    [
      'the OS disk’s kind of encryption',
      [
        {
          lun: 0,
          createOption: 'Empty',
          managedDisk: { securityProfile: { securityEncryptionType: 'VMGuestStateOnly' } },
        },
      ],
      'NotSupported',
    ],
  ])('are refused: %s', async (_name, disks, expected) => {
    const reply = await plane.send('PUT', vmPath('vm1'), withDisks('vm1', disks))
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(code(reply.body)).toBe(expected === 'LinkedOrMissing' ? 'ResourceNotFound' : expected)
  })

  it('grow and never shrink', async () => {
    await plane.send('PUT', disk('own'), emptyDisk)
    expect(
      (await plane.send('PATCH', disk('own'), { properties: { diskSizeGB: 16 } })).body.properties.diskSizeGB,
    ).toBe(16)
    expect((await plane.send('PATCH', disk('own'), { properties: { diskSizeGB: 8 } })).status).toBe(400)
  })
})

describe("Azure's image names", () => {
  const named = (offer: string, sku: string, publisher = 'Canonical'): Loose => {
    const body = vmRequest('vm1')
    body.properties.storageProfile.imageReference = { publisher, offer, sku, version: 'latest' }
    return body
  }
  const notices = async (): Promise<string> =>
    ((await plane.send('GET', `${vmPath('vm1')}/instanceView`)).body.notices as string[]).join(' ')

  it('mean the reference image until one is registered, and the VM and the log say so', async () => {
    expect((await plane.run('PUT', vmPath('vm1'), named('ubuntu-24_04-lts', 'cvm'))).operation.status).toBe('Succeeded')
    expect(await notices()).toContain('Canonical:ubuntu-24_04-lts:cvm:latest is not registered')
    const log = `/subscriptions/${vmPath('vm1').split('/')[2]}/providers/Microsoft.Insights/eventtypes/management/values`
    const events = (await plane.send('GET', log)).body.value as { operationName: { value: string } }[]
    expect(events.map((event) => event.operationName.value)).toContain(
      'Microsoft.Compute/virtualMachines/imageSubstitution/event',
    )
  })

  it('mean the operator’s image once it is imported under that name', async () => {
    const other = await openSqlitePlane()
    try {
      await makeNetwork(other, 'vm1')
      const images = `/subscriptions/${group.split('/')[2]}/providers/Strongroom.Machine/images/import`
      await other.send('POST', images, { path: '/tmp/u.raw', name: 'ubuntu-24_04-lts.cvm' })
      await other.run('PUT', vmPath('vm1'), named('Ubuntu-24_04-lts', 'CVM'))
      expect([...other.wire.instances.values()][0]!.spec.image).toBe('ubuntu-24_04-lts.cvm')
    } finally {
      await other.close()
    }
  })

  it('are refused where nothing may stand in, and for Windows always', async () => {
    const strict = await openSqlitePlane({ compute: 'simulated', strictImages: true })
    try {
      await makeNetwork(strict, 'vm1')
      const reply = await strict.send('PUT', vmPath('vm1'), named('ubuntu-24_04-lts', 'cvm'))
      expect(reply.body.error).toMatchObject({
        code: 'PlatformImageNotFound',
        innererror: { remedy: expect.stringContaining('ubuntu-24_04-lts.cvm') },
      })
    } finally {
      await strict.close()
    }
    const windows = named('WindowsServer', '2022-datacenter-smalldisk-g2', 'MicrosoftWindowsServer')
    expect(code((await plane.send('PUT', vmPath('vm1'), windows)).body)).toBe('PlatformImageNotFound')
  })
})
