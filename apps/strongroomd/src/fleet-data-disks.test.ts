import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request as requestByTls } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fleetHost, type AttachedDisk, type VmOrder } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ReportingCarrier } from './testing/reporting-carrier.ts'
import { startTestInstallation, type TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { layStandInImage } from './testing/stand-in-image.ts'
import { startHost, type TestHost } from './testing/test-hosts.ts'

/** Two VMs on two hosts, whose storage, wire and resource manager are the real ones. The tests share them, in this order. */
let installation: TestInstallation
let folder: string
const hosts: TestHost[] = []
const [first, second] = [new ReportingCarrier(), new ReportingCarrier()]
let [one, two, disks]: string[] = []

async function joinHost(name: string, carrier: ReportingCarrier): Promise<void> {
  const host = await startHost(installation, { name, folder, carrier })
  carrier.host = host
  hosts.push(host)
  await vi.waitFor(() => expect(host.isLeased()).toBe(true), 10_000)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-hosts-'))
  installation = await startTestInstallation({ fleetAddress: `127.0.0.1:${await freePort()}`, compute: 'guests' })
  await layStandInImage(installation.running.context)
  disks = `${installation.subscription}/resourceGroups/rg1/providers/Microsoft.Compute/disks`
  await joinHost('a', first)
  const dataDisks = [{ lun: 3, name: 'made', createOption: 'Empty', diskSizeGB: 1, deleteOption: 'Delete' }]
  one = await makeVm(installation, { name: 'one', size: 'Standard_DC2as_v5', dataDisks })
  await joinHost('b', second)
  const others = [{ lun: 0, name: 'other', createOption: 'Empty', diskSizeGB: 1 }]
  two = await makeVm(installation, { name: 'two', size: 'Standard_DC2as_v5', dataDisks: others })
}, 60_000)
afterAll(async () => {
  for (const host of hosts) await host.stop()
  await installation.close()
  await rm(folder, { recursive: true, force: true })
})

const orderOf = ({ orders }: ReportingCarrier): VmOrder => orders[0]!
const attachedTo = (carrier: ReportingCarrier): AttachedDisk[] => orderOf(carrier).dataDisks ?? []
const hostOf = (carrier: ReportingCarrier): TestHost => carrier.host!
const at = (carrier: ReportingCarrier): { vmId: string; epoch: number } => {
  const { vmId, epoch } = orderOf(carrier)
  return { vmId, epoch }
}
const fileOf = (disk: string): string => join(installation.running.context.stateDir, 'disks', disk, 'disk.raw')
const over = { status: 409, body: { error: { code: 'PlacementOver' } } }
const notIts = { status: 404, body: { error: { code: 'DiskNotFound' } } }

/** @returns the status, or the stream */
async function stream(carrier: ReportingCarrier, path: string): Promise<number | Duplex> {
  const identity = JSON.parse(await readFile(join(folder, hostOf(carrier).name, 'host.json'), 'utf8')) as Record<
    string,
    string
  >
  const [address = '', port] = identity['address']!.split(':')
  const agent = new Agent({ ca: installation.caPem, cert: identity['certificate'], key: identity['privateKey'] })
  return await new Promise<number | Duplex>((done, fail) => {
    const headers = { connection: 'upgrade', upgrade: 'strongroom-fleet' }
    const sent = requestByTls({ host: address, port, servername: fleetHost, path, headers, agent })
    sent.once('response', (response) => done(response.statusCode ?? 0))
    sent.once('upgrade', (_response, socket) => done(socket))
    sent.once('error', fail)
    sent.end()
  })
}
async function statusOf(carrier: ReportingCarrier, path: string): Promise<number> {
  const opened = await stream(carrier, path)
  if (typeof opened === 'number') return opened
  opened.destroy()
  return 101
}

/** Sets a VM's data disks, by LUN. */
const attach = async (vm: string, ...wanted: [lun: number, disk: string, deleteOption?: 'Delete'][]): Promise<void> => {
  const dataDisks = wanted.map(([lun, name, deleteOption = 'Detach']) => ({
    lun,
    createOption: 'Attach',
    deleteOption,
    managedDisk: { id: `${disks}/${name}` },
  }))
  await installation.run('PATCH', vm, { properties: { storageProfile: { dataDisks } } })
}
const lunsOf = async (vm: string): Promise<number[]> => {
  const { properties } = await installation.arm<{ properties: { storageProfile: { dataDisks: { lun: number }[] } } }>(
    'GET',
    vm,
  )
  return properties.storageProfile.dataDisks.map(({ lun }) => lun)
}

describe('data disks of a guest on a joined host', () => {
  it('are made with it, in its order, and opened by its host alone, at its epoch alone (attack W43)', async () => {
    expect(attachedTo(first)).toMatchObject([{ lun: 3, sizeGiB: 1, shown: { name: 'made' } }])
    expect(attachedTo(second)).toMatchObject([{ lun: 0, sizeGiB: 1, shown: { name: 'other' } }])
    const [{ disk } = { disk: '' }] = attachedTo(first)
    const { vmId, epoch } = at(first)
    expect(await hostOf(first).send('/disk', { ...at(first), disk })).toMatchObject({ status: 200, body: {} })
    expect(await statusOf(first, `/disk/${vmId}/${epoch}/${disk}`)).toBe(101)
    expect(await hostOf(second).send('/disk', { ...at(first), disk })).toMatchObject(over)
    expect(await statusOf(second, `/disk/${vmId}/${epoch}/${disk}`)).toBe(409)
    for (const other of [epoch + 1, 7_000]) {
      expect(await hostOf(first).send('/disk', { vmId, epoch: other, disk })).toMatchObject(over)
      expect(await hostOf(first).send('/disk', { vmId, epoch: other, disk, opened: true })).toMatchObject(over)
      expect(await statusOf(first, `/disk/${vmId}/${other}/${disk}`)).toBe(409)
    }
  })

  it('are not another VM’s, whose host asks for them as that one’s (attack W43)', async () => {
    const [{ disk: made } = { disk: '' }] = attachedTo(first)
    const [{ disk: other } = { disk: '' }] = attachedTo(second)
    const none = '00000000-0000-4000-8000-000000000000'
    for (const [carrier, disk] of [
      [first, other],
      [second, made],
      [first, none],
      [first, at(second).vmId],
    ] as const) {
      const { vmId, epoch } = at(carrier)
      expect(await hostOf(carrier).send('/disk', { vmId, epoch, disk }), disk).toMatchObject(notIts)
      expect(await statusOf(carrier, `/disk/${vmId}/${epoch}/${disk}`), disk).toBe(404)
    }
    const { vmId, epoch } = at(first)
    expect((await hostOf(first).send('/disk', { ...at(first), disk: '../../fleet' })).status).toBe(400)
    for (const path of ['..', `${made}/..`, '', '%2e%2e'])
      expect(await statusOf(first, `/disk/${vmId}/${epoch}/${path}`), path).toBe(404)
  })

  it('are given to a running guest, and taken from it: then the storage has closed them, whatever its host does (attack W43)', async () => {
    const [{ disk } = { disk: '' }] = attachedTo(first)
    const { vmId, epoch } = at(first)
    const held = (await stream(first, `/disk/${vmId}/${epoch}/${disk}`)) as Duplex
    const closed = new Promise((done) => held.once('close', done))
    held.on('error', () => {})
    held.resume()
    await installation.run('PUT', `${disks}/more`, {
      location: 'westeurope',
      properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 1 },
    })
    await attach(one!, [3, 'made'], [5, 'more'])
    expect(first.calls.at(-1)).toMatchObject({
      method: 'PUT',
      path: `/instances/${vmId}/data-disks`,
      body: { disks: [{ lun: 3, disk }, { lun: 5 }] },
    })
    expect(held.destroyed).toBe(false)
    await attach(one!, [5, 'more'])
    await closed
    expect(await hostOf(first).send('/disk', { ...at(first), disk })).toMatchObject(notIts)
    expect(await statusOf(first, `/disk/${vmId}/${epoch}/${disk}`)).toBe(404)
    // Free for the other VM, on another host.
    await attach(two!, [0, 'other'], [1, 'made'])
    expect(await hostOf(second).send('/disk', { ...at(second), disk })).toMatchObject({ status: 200 })
    expect(await hostOf(first).send('/disk', { ...at(first), disk })).toMatchObject(notIts)
    await attach(two!, [0, 'other'])
    await attach(one!, [3, 'made'], [5, 'more'])
  })

  it('stay as they were where the guest cannot take one, with its host’s reason', async () => {
    await installation.run('PUT', `${disks}/third`, {
      location: 'westeurope',
      properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 1 },
    })
    const error = { code: 'DataDiskNotPlugged', message: 'QEMU does not take it.' }
    first.answerWith = { status: 500, type: 'application/json', body: JSON.stringify({ error }) }
    const attaching = attach(one!, [3, 'made'], [5, 'more'], [7, 'third'])
    await expect.poll(() => JSON.stringify(first.calls.at(-1)?.body)).toContain('third')
    first.answerWith = { status: 200, type: 'application/json', body: '{}' }
    await expect(attaching).rejects.toThrow('QEMU does not take it.')
    expect(await lunsOf(one!)).toEqual([3, 5])
    expect(first.calls.at(-1)).toMatchObject({ body: { disks: [{ lun: 3 }, { lun: 5 }] } })
    await attach(two!, [0, 'other'], [1, 'third'])
    await attach(two!, [0, 'other'])
  })

  it('are copied while it is off, and not while it runs', async () => {
    const properties = { creationData: { createOption: 'Copy', sourceResourceId: `${disks}/made` } }
    const snapshot = (name: string): string =>
      `${installation.subscription}/resourceGroups/rg1/providers/Microsoft.Compute/snapshots/${name}`
    await expect(installation.run('PUT', snapshot('early'), { location: 'westeurope', properties })).rejects.toThrow(
      /OperationNotAllowed|InstanceNotStopped/,
    )
    await installation.run('POST', `${one}/deallocate`)
    await installation.run('PUT', snapshot('late'), { location: 'westeurope', properties })
  })

  it('follow it to its next host, as they are then: attached and detached while it was off', async () => {
    const before = at(second)
    await attach(one!, [3, 'made', 'Delete'], [9, 'third'])
    await installation.run('POST', `${one}/start`)
    await expect
      .poll(() =>
        [...first.orders, ...second.orders]
          .filter(({ vmId, wanted }) => vmId !== before.vmId && wanted === 'Running')
          .flatMap(({ dataDisks = [] }) => dataDisks.map(({ lun }) => lun)),
      )
      .toEqual([3, 9])
  })

  it('go with it, or stay, as their owner said, once no host has them', async () => {
    const [{ disk } = { disk: '' }] = [...first.orders, ...second.orders].flatMap(({ dataDisks = [] }) =>
      dataDisks.filter(({ lun }) => lun === 3),
    )
    await access(fileOf(disk))
    await expect(installation.run('DELETE', `${disks}/made`)).rejects.toThrow()
    await installation.run('DELETE', one!)
    await expect(access(fileOf(disk))).rejects.toThrow('ENOENT')
    const { value } = await installation.arm<{ value: { name: string }[] }>('GET', disks!)
    expect(
      value
        .map(({ name }) => name)
        .filter((name) => ['made', 'more', 'third', 'other'].includes(name))
        .toSorted(),
    ).toEqual(['more', 'other', 'third'])
    for (const name of ['more', 'third']) await installation.run('DELETE', `${disks}/${name}`)
  })
})
