import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ShownHost, VmPlacement } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { hostPath, startHost, type TestHost } from './testing/test-hosts.ts'

let installation: TestInstallation
let folder: string
const hosts: TestHost[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-hosts-'))
  installation = await startTestInstallation({ fleetAddress: `127.0.0.1:${await freePort()}` })
})
afterAll(async () => {
  for (const host of hosts) await host.stop()
  await installation.close()
  await rm(folder, { recursive: true, force: true })
})

async function start(name: string, vCPUs: number): Promise<void> {
  const host = await startHost(installation, { name, folder, vCPUs })
  hosts.push(host)
  await expect.poll(host.isLeased).toBe(true)
}
const make = async (name: string): Promise<string> => await makeVm(installation, { name, size: 'Standard_DC4as_v5' })
const placementOf = async (vm: string): Promise<VmPlacement> => await installation.arm('POST', `${vm}/retrievePlacement`) // prettier-ignore
const shown = async (name: string): Promise<ShownHost> => await installation.arm('GET', hostPath(installation, name))
const drain = async (name: string): Promise<ShownHost> => await installation.arm('POST', `${hostPath(installation, name)}/drain`) // prettier-ignore
const powerOf = async (vm: string): Promise<string> => {
  const { statuses } = await installation.arm<{ statuses: { code: string }[] }>('GET', `${vm}/instanceView`)
  return statuses.find(({ code }) => code.startsWith('PowerState/'))?.code ?? ''
}

describe('a host that is drained', () => {
  let vms: string[]

  it('is refused where the others have no room for all that it carries, with which and why, and stays as it is', async () => {
    await start('a', 16)
    vms = [await make('one'), await make('two'), await make('three')]
    await start('b', 8)
    await expect(drain('a')).rejects.toMatchObject({
      code: 'HostNotDrained',
      details: [{ code: 'AllocationFailed', message: expect.stringContaining('no room for its cores (b)') as string }],
    })
    expect((await shown('a')).state).toBe('Ready')
    for (const vm of vms) expect(await placementOf(vm)).toMatchObject({ host: 'a', epoch: 1 })
  })

  it('has its VMs stopped and started on others, each under its next epoch; one that is off has a host when it starts', async () => {
    const [one, two, three] = vms as [string, string, string]
    await installation.run('POST', `${three}/powerOff`)
    expect(await drain('a')).toMatchObject({ state: 'Draining' })
    await expect.poll(async () => (await shown('a')).carries).toEqual([])
    for (const vm of [one, two]) {
      await expect.poll(async () => await powerOf(vm)).toBe('PowerState/running')
      expect(await placementOf(vm)).toMatchObject({
        host: 'b',
        epoch: 2,
        why: { moved: { host: 'a', reason: 'drained' } },
      })
    }
    expect(await powerOf(three)).toBe('PowerState/stopped')
    expect(await placementOf(three)).not.toHaveProperty('host')
    expect((await shown('a')).reserved).toEqual({ vCPUs: 0, memoryMiB: 0 })
    await installation.arm('POST', `${hostPath(installation, 'a')}/resume`)
    await installation.run('POST', `${three}/start`)
    expect(await placementOf(three)).toMatchObject({ host: 'a', epoch: 2 })
  })

  it('does not start a VM that its owner has stopped meanwhile', async () => {
    const [one] = vms as [string]
    await Promise.all([drain('b'), installation.run('POST', `${one}/deallocate`)])
    await expect.poll(async () => (await shown('b')).carries).toEqual([])
    expect(await powerOf(one)).toBe('PowerState/deallocated')
    expect(await placementOf(one)).not.toHaveProperty('host')
  })
})
