import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { TestFleet } from './testing/test-fleet.ts'
import { hostPath } from './testing/test-hosts.ts'

let fleet: TestFleet
let installation: TestInstallation
beforeAll(async () => {
  fleet = await TestFleet.start()
  installation = fleet.installation
})
afterAll(async () => await fleet.close())

const make = async (name: string): Promise<string> => await makeVm(installation, { name, size: 'Standard_DC4as_v5' })

describe('a host that is drained', () => {
  let vms: string[]

  it('is refused where the others have no room for all that it carries, with which and why, and stays as it is', async () => {
    await fleet.join('a', { vCPUs: 16 })
    vms = [await make('one'), await make('two'), await make('three')]
    await fleet.join('b', { vCPUs: 8 })
    await expect(fleet.drain('a')).rejects.toMatchObject({
      code: 'HostNotDrained',
      details: [{ code: 'AllocationFailed', message: expect.stringContaining('no room for its cores (b)') as string }],
    })
    expect((await fleet.shown('a')).state).toBe('Ready')
    for (const vm of vms) expect(await fleet.placementOf(vm)).toMatchObject({ host: 'a', epoch: 1 })
  })

  it('has its VMs stopped and started on others, each under its next epoch; one that is off has a host when it starts', async () => {
    const [one, two, three] = vms as [string, string, string]
    await installation.run('POST', `${three}/powerOff`)
    expect(await fleet.drain('a')).toMatchObject({ state: 'Draining' })
    await expect.poll(async () => (await fleet.shown('a')).carries).toEqual([])
    for (const vm of [one, two]) {
      await expect.poll(async () => await fleet.powerOf(vm)).toBe('PowerState/running')
      expect(await fleet.placementOf(vm)).toMatchObject({
        host: 'b',
        epoch: 2,
        why: { moved: { host: 'a', reason: 'drained' } },
      })
    }
    expect(await fleet.powerOf(three)).toBe('PowerState/stopped')
    expect(await fleet.placementOf(three)).not.toHaveProperty('host')
    expect((await fleet.shown('a')).reserved).toEqual({ vCPUs: 0, memoryMiB: 0 })
    await installation.arm('POST', `${hostPath(installation, 'a')}/resume`)
    await installation.run('POST', `${three}/start`)
    expect(await fleet.placementOf(three)).toMatchObject({ host: 'a', epoch: 2 })
  })

  it('does not start a VM that its owner has stopped meanwhile', async () => {
    const [one] = vms as [string]
    await Promise.all([fleet.drain('b'), installation.run('POST', `${one}/deallocate`)])
    await expect.poll(async () => (await fleet.shown('b')).carries).toEqual([])
    expect(await fleet.powerOf(one)).toBe('PowerState/deallocated')
    expect(await fleet.placementOf(one)).not.toHaveProperty('host')
  })
})
