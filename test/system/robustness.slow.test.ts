import { readdir } from 'node:fs/promises'
import { prepareNetwork } from '../../apps/cli/src/up/vm-network.ts'
import { vmBody } from '../../apps/cli/src/up/vm-request.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { begin as beginOn, killAtEachStep as killSteps } from './support/kill-steps.ts'
import { processesOf } from './support/processes.ts'
import { defaultRequest, openArm, statusOf, type VmView } from './support/vm.ts'

/**
 * The server is killed at each step of an operation; after the restart the operation continues to its end, with nothing
 * doubled or lost.
 */
const installation = await TestInstallation.create()

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
})

afterAll(async () => await installation.remove())

const begin = (method: string, action: string, body?: unknown): Promise<string> =>
  beginOn(installation, { vm: 'robust', method, action, body })
const killAtEachStep = (url: string): Promise<{ killedAt: string[]; status: string }> => killSteps(installation, url)

async function only(): Promise<VmView> {
  const vms = await installation.must<VmView[]>('vm', 'list')
  expect(vms.map((vm) => vm.name)).toEqual(['robust'])
  return vms[0]!
}

async function expectOneOfEach(vm: VmView): Promise<void> {
  const running = await processesOf(vm.properties.vmId)
  expect(running.map((each) => (each.command.startsWith('qemu') ? 'qemu' : 'swtpm')).toSorted()).toEqual([
    'qemu',
    'swtpm',
  ])
}

describe('kill -9 of the server at each step', () => {
  it('of create: the VM comes up once, and is trusted', async () => {
    const arm = await openArm(installation)
    const request = await defaultRequest(installation, 'robust')
    await prepareNetwork(arm, request)
    const { killedAt, status } = await killAtEachStep(await begin('PUT', '', vmBody(arm, request)))
    expect(status).toBe('Succeeded')
    expect(killedAt.length).toBeGreaterThan(3)
    const vm = await only()
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/running')
    await expectOneOfEach(vm)
  })

  it('the moment a new VM is ready: it is booted again, attested and unlocked, and its owner gets in, without anybody asking', async () => {
    const vm = await only()
    await installation.kill()
    await expect.poll(async () => await processesOf(vm.properties.vmId), { timeout: 10_000 }).toEqual([])
    await installation.start()
    await expect
      .poll(async () => statusOf(await installation.must<VmView>('vm', 'show', 'robust'), 'PowerState/').code, {
        timeout: 300_000,
        interval: 2000,
      })
      .toBe('PowerState/running')
    await expect
      .poll(async () => (await installation.cli('vm', 'trust', 'robust')).code, { timeout: 300_000, interval: 2000 })
      .toBe(0)
    // What the first boot made was on the disk before the VM reported that it is ready.
    expect((await installation.inGuest('robust', 'sudo id --user --name')).stdout.trim()).toBe('root')
  })

  it('of stop: the VM is stopped, and nothing of it runs on', async () => {
    const { status } = await killAtEachStep(await begin('POST', '/powerOff'))
    expect(status).toBe('Succeeded')
    const vm = await only()
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/stopped')
    expect(await processesOf(vm.properties.vmId)).toEqual([])
  })

  it('of start: the VM runs once', async () => {
    const { status } = await killAtEachStep(await begin('POST', '/start'))
    expect(status).toBe('Succeeded')
    await expectOneOfEach(await only())
  })

  it('of delete: the VM is gone with its disk, key and processes', async () => {
    const { status } = await killAtEachStep(await begin('DELETE', ''))
    expect(status).toBe('Succeeded')
    expect(await installation.must('vm', 'list')).toEqual([])
    expect(await processesOf(installation.stateDir)).toEqual([])
    expect(await readdir(`${installation.stateDir}/machines`)).toEqual([])
  })
})
