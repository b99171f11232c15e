import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { prepareNetwork, vmBody, vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { machineProcesses } from './support/processes.ts'
import { defaultRequest, openArm, statusOf, type VmView } from './support/vm.ts'

/** The server is killed at each step of an operation; after the restart the operation goes on to its end, with nothing doubled or lost. */
const installation = await TestInstallation.create()

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
})

afterAll(async () => await installation.remove())

interface RunningOperation {
  status: string
  properties: { steps: { name: string; state: string }[] }
}

/** Sends the request that begins an operation, and returns where the operation can be asked for. */
async function begin(method: string, action: string, body?: unknown): Promise<string> {
  const arm = await openArm(installation)
  const answer = await arm.send(method, `${vmPath(arm, 'strongroom', 'robust')}${action}`, apiVersions.compute, body)
  const url = answer.headers['azure-asyncoperation']
  if (typeof url !== 'string') throw new Error(`no operation in ${JSON.stringify(answer.headers)}`)
  return url
}

/**
 * Kills the server whenever the operation has come to a step at which it was not yet killed, and starts it again, until
 * the operation ends.
 */
async function killAtEachStep(url: string): Promise<{ killedAt: string[]; status: string }> {
  const killedAt: string[] = []
  const end = Date.now() + 540_000
  while (Date.now() < end) {
    const operation = (await (await openArm(installation)).sendUrl('GET', url)).json as RunningOperation
    if (operation.status !== 'InProgress') return { killedAt, status: operation.status }
    const step = operation.properties.steps.find((each) => each.state === 'Running' && !killedAt.includes(each.name))
    if (step !== undefined) {
      killedAt.push(step.name)
      await installation.kill()
      await expect.poll(async () => await machineProcesses(installation.stateDir), { timeout: 10_000 }).toEqual([])
      await installation.start()
    }
    await sleep(20)
  }
  throw new Error(`the operation did not end; killed at ${killedAt.join(', ')}`)
}

async function only(): Promise<VmView> {
  const vms = await installation.must<VmView[]>('vm', 'list')
  expect(vms.map((vm) => vm.name)).toEqual(['robust'])
  return vms[0]!
}

async function expectOneOfEach(vm: VmView): Promise<void> {
  const running = await machineProcesses(vm.properties.vmId)
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
    expect((await installation.cli('vm', 'trust', 'robust')).code).toBe(0)
  })

  it('of stop: the VM is stopped, and nothing of it runs on', async () => {
    const { status } = await killAtEachStep(await begin('POST', '/powerOff'))
    expect(status).toBe('Succeeded')
    const vm = await only()
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/stopped')
    expect(await machineProcesses(vm.properties.vmId)).toEqual([])
  })

  it('of start: the VM runs once', async () => {
    const { status } = await killAtEachStep(await begin('POST', '/start'))
    expect(status).toBe('Succeeded')
    await expectOneOfEach(await only())
  })

  it('while a VM runs: it is booted again, attested and unlocked, without anybody asking', async () => {
    const vm = await only()
    await installation.kill()
    await expect.poll(async () => await machineProcesses(vm.properties.vmId), { timeout: 10_000 }).toEqual([])
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
  })

  it('of delete: the VM is gone with its disk, key and processes', async () => {
    const { status } = await killAtEachStep(await begin('DELETE', ''))
    expect(status).toBe('Succeeded')
    expect(await installation.must('vm', 'list')).toEqual([])
    expect(await machineProcesses(installation.stateDir)).toEqual([])
    expect(await readdir(`${installation.stateDir}/machines`)).toEqual([])
  })
})
