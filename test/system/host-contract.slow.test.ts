import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceSpec, InstanceStatus, PowerState } from '@strongroom/contract'
import { openServiceStore } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { askedWith } from '../../apps/cli/src/trust/asked-settings.ts'
import { verifyBoot } from '../../apps/cli/src/trust/report.ts'
import { hostClient } from '../../services/control-plane/src/host/host-client.ts'
import type { GuestStateKeys, Host } from '../../services/control-plane/src/host/host.ts'
import { PlatformKeys } from '../../services/control-plane/src/host/platform-key.ts'
import { SimulatedEvidence } from '../../services/control-plane/src/host/simulated-evidence.ts'
import { noGuestStateKeys, SimulatedHost } from '../../services/control-plane/src/host/simulated-host.ts'
import { migrations } from '../../services/control-plane/src/store/migrations.ts'
import { ResourceStore } from '../../services/control-plane/src/store/resources.ts'
import { exampleSpec } from '../../services/paravisor/src/testing.ts'
import { TestInstallation } from './support/installation.ts'
import { startInProcess } from './support/in-process.ts'

interface Driver {
  host: Host
  keys: GuestStateKeys
}

/** The two implementations of a VM host. The tests below hold for both. */
const drivers: Record<
  string,
  { compute: 'guests' | 'simulated'; open: (running: RunningInstallation) => Promise<Driver> }
> = {
  'without guests': {
    compute: 'simulated',
    open: async ({ context }) => {
      const store = await openServiceStore(context, 'contract')
      await store.migrate('control-plane', migrations)
      const maker = new SimulatedEvidence(context.wire, context.tokens, new PlatformKeys(context.wire, context.tokens))
      const host = new SimulatedHost(new ResourceStore(store, context.clock), context.clock, maker)
      return { host, keys: noGuestStateKeys }
    },
  },
  'with guests': {
    compute: 'guests',
    open: async ({ context }) => ({
      host: hostClient(context.wire, context.tokens),
      keys: new PlatformKeys(context.wire, context.tokens),
    }),
  },
}

describe.each(Object.entries(drivers))('the driver %s', (_name, { compute, open }) => {
  let installation: TestInstallation
  let running: RunningInstallation
  let host: Host
  let spec: InstanceSpec
  let kept: string
  const vmId = randomUUID().toUpperCase()

  beforeAll(async () => {
    installation = await TestInstallation.create()
    running = await startInProcess(installation, { compute })
    if (compute === 'guests') await installation.must('image', 'build')
    const driver = await open(running)
    host = driver.host
    const { tee, attestationProvider } = exampleSpec
    const guestStateKey = await driver.keys.ensure({ vmId, tee, authority: attestationProvider, asker: undefined })
    const image = (await host.images()).at(-1)
    if (image === undefined) throw new Error('the host has no image')
    const network = { macAddress: '02:53:52:19:ef:25', privateIpAddress: '10.0.0.4' }
    spec = { ...exampleSpec, vmId, guestStateKey, network, image: image.id }
  })
  afterAll(async () => {
    await running.close()
    await installation.remove()
  })

  const until = async (reached: (status: InstanceStatus) => boolean): Promise<InstanceStatus> => {
    for (;;) {
      const status = await host.find(vmId)
      if (status === undefined) throw new Error('the instance is gone')
      if (reached(status)) return status
      if (status.power.state === 'Failed' || status.provisioning.state === 'Failed')
        throw new Error(JSON.stringify([status.power, status.provisioning]))
      await sleep(200)
    }
  }
  const powered = async (state: PowerState): Promise<InstanceStatus> =>
    await until(({ power }) => power.state === state)

  it('knows nothing of a VM that it was not told of, and forgets it without complaint', async () => {
    expect(await host.find(vmId)).toBeUndefined()
    expect(await host.evidence(vmId)).toBeUndefined()
    expect(await host.serialLog(vmId)).toBeUndefined()
    expect(await host.stop(vmId, true)).toBeUndefined()
    await expect(host.start(vmId)).rejects.toMatchObject({ status: 404 })
    await host.remove(vmId)
  })

  it('provisions once, whoever asks twice, and leaves the VM off', async () => {
    await host.provision(spec)
    await host.provision(spec)
    const status = await until(({ provisioning }) => provisioning.state === 'Succeeded')
    expect(status).toMatchObject({ vmId, power: { state: 'Stopped' }, spec: { name: spec.name } })
    expect(status.provisioning.steps.every((step) => step.endedAt !== undefined)).toBe(true)
    expect(await host.evidence(vmId)).toBeUndefined()
  })

  it('starts until the VM is ready, with evidence that verifies link by link up to the disk', async () => {
    await host.start(vmId)
    const { power } = await powered('Ready')
    expect(power.steps.length).toBeGreaterThan(0)
    const evidence = (await host.evidence(vmId))!
    const { adminUsername, sshPublicKeys } = spec.osProfile
    const report = await verifyBoot({
      name: spec.name,
      evidence,
      encryption: spec.security.encryption,
      size: spec.size.name,
      image: {
        by: 'creator',
        reference: { id: `/subscriptions/s/providers/Strongroom.Machine/images/${spec.image}` },
      },
      secureBoot: spec.security.secureBoot,
      paths: installation.rootPaths,
      at: new Date(),
      fetchKeySet: async (issuer) =>
        (await running.context.wire.request({ method: 'GET', url: `${issuer}/certs` })).body,
      settings: { by: 'owner', asked: askedWith({ adminUsername, sshPublicKeys }) },
    })
    const wrong = report.links.filter((link) => link.outcome !== 'verified').map(({ id }) => id)
    expect(wrong).toEqual(compute === 'guests' ? [] : ['disk', 'ssh-host-key'])
    expect(report.trusted).toBe(compute === 'guests')
    expect(evidence.vmId).toBe(vmId)
  })

  it('takes a second start of what runs for done: the boot is the same', async () => {
    const before = (await host.evidence(vmId))!.bootId
    await host.start(vmId)
    await powered('Ready')
    expect((await host.evidence(vmId))!.bootId).toBe(before)
    expect(await host.serialLog(vmId)).not.toBe('')
  })

  it('gives a VM that runs the data disks that it is to have, one VM’s each, and keeps them while it is off', async () => {
    const disk = randomUUID().toUpperCase()
    const shown = { id: '/disks/d', name: 'd', caching: 'None', storageAccountType: 'Premium_LRS' }
    const disks = [{ lun: 2, disk, sizeGiB: 1, shown }]
    await expect(host.setDataDisks(vmId, disks)).rejects.toMatchObject({ code: 'DataDiskMissing', status: 409 })
    await host.keepDisk({ id: disk, name: 'd', source: { from: 'empty', sizeGiB: 1 } })
    while ((await host.findDisk(disk))?.state !== 'Succeeded') await sleep(50)
    await host.setDataDisks(vmId, disks)
    expect((await host.setDataDisks(vmId, disks)).dataDisks).toEqual(disks)
    expect((await host.findDisk(disk))?.attachedTo).toBe(vmId)
    await expect(host.removeDisk(disk)).rejects.toMatchObject({ code: 'DataDiskInUse', status: 409 })
    const grown = await host.setDataDisks(vmId, [{ ...disks[0]!, sizeGiB: 2 }])
    expect(grown.dataDisks?.[0]?.sizeGiB).toBe(2)
    expect(await host.setDataDisks(vmId, [])).not.toHaveProperty('dataDisks')
    expect((await host.findDisk(disk))?.attachedTo).toBeUndefined()
    await host.setDataDisks(vmId, disks)
    kept = disk
  })

  it('changes a VM while it is off, and only then', async () => {
    const patch = { size: { name: 'Standard_DC4as_v5', vCPUs: 4, memoryMiB: 16_384 }, tags: { a: 'b' } }
    await expect(host.patch(vmId, patch)).rejects.toMatchObject({ code: 'InstanceNotStopped', status: 409 })
    await host.stop(vmId, false)
    await powered('Stopped')
    await host.stop(vmId, false)
    expect((await host.patch(vmId, patch)).spec).toMatchObject(patch)
    expect((await powered('Stopped')).spec.size.vCPUs).toBe(4)
    expect((await host.find(vmId))?.dataDisks).toHaveLength(1)
    // What the last boot reported is kept while the VM is off.
    expect((await host.evidence(vmId))?.vmId).toBe(vmId)
  })

  it('removes all of it, once and again', async () => {
    await host.remove(vmId)
    await host.remove(vmId)
    expect(await host.find(vmId)).toBeUndefined()
    expect(await host.evidence(vmId)).toBeUndefined()
    // Its data disks are its owner's.
    expect(await host.findDisk(kept)).not.toHaveProperty('attachedTo')
    await host.removeDisk(kept)
  })
})
