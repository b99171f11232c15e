import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { machineProcesses } from './support/processes.ts'
import { openArm, statusOf, type VmView } from './support/vm.ts'

/** The server is killed at each step of an operation; after the restart the operation goes on to its end, with nothing doubled or lost. */
const installation = await TestInstallation.create()

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
})

afterAll(async () => await installation.remove())

interface RunningOperation {
  status: string
  steps: { name: string; state: string }[]
}

async function latestOperation(name: string): Promise<RunningOperation | undefined> {
  const arm = await openArm(installation)
  const path = `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${name}`
  const found = (await arm.send('POST', `${path}/retrieveOperations`, '2024-11-01')).json as { value: RunningOperation[] }
  return found.value.at(0)
}

/**
 * Kills the server whenever the operation has come to a step it was not yet killed at, and starts it again, until the
 * operation ends. Returns the steps at which it was killed.
 */
async function killAtEachStep(name: string): Promise<{ killedAt: string[]; status: string }> {
  const killedAt: string[] = []
  const end = Date.now() + 540_000
  while (Date.now() < end) {
    const operation = await latestOperation(name).catch(() => undefined)
    if (operation === undefined) {
      await sleep(20)
      continue
    }
    const step = operation.steps.find((each) => each.state === 'Running')?.name
    if (operation.status !== 'Running' && operation.status !== 'Undoing') return { killedAt, status: operation.status }
    if (step !== undefined && !killedAt.includes(step)) {
      killedAt.push(step)
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
  expect(running.map((each) => (each.command.startsWith('qemu') ? 'qemu' : 'swtpm')).toSorted()).toEqual(['qemu', 'swtpm'])
}

describe('kill -9 of the server at each step', () => {
  it('of create: the VM comes up once, and is trusted', async () => {
    const create = installation.startCli('vm', 'create', 'robust')
    const { killedAt, status } = await killAtEachStep('robust')
    await create.outcome
    expect(status).toBe('Succeeded')
    expect(killedAt.length).toBeGreaterThan(3)
    const vm = await only()
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/running')
    await expectOneOfEach(vm)
    expect((await installation.cli('vm', 'trust', 'robust')).code).toBe(0)
  })

  it('of stop: the VM is stopped, and nothing of it runs on', async () => {
    const stop = installation.startCli('vm', 'stop', 'robust')
    const { status } = await killAtEachStep('robust')
    await stop.outcome
    expect(status).toBe('Succeeded')
    const vm = await only()
    expect(statusOf(vm, 'PowerState/').code).toBe('PowerState/stopped')
    expect(await machineProcesses(vm.properties.vmId)).toEqual([])
  })

  it('of start: the VM runs once', async () => {
    const start = installation.startCli('vm', 'start', 'robust')
    const { status } = await killAtEachStep('robust')
    await start.outcome
    expect(status).toBe('Succeeded')
    await expectOneOfEach(await only())
  })

  it('while a VM runs: it is booted again, attested and unlocked, without anybody asking', async () => {
    const vm = await only()
    await installation.kill()
    await expect.poll(async () => await machineProcesses(vm.properties.vmId), { timeout: 10_000 }).toEqual([])
    await installation.start()
    await expect
      .poll(async () => statusOf(await installation.must<VmView>('vm', 'show', 'robust'), 'PowerState/').code, { timeout: 300_000, interval: 2000 })
      .toBe('PowerState/running')
    await expect.poll(async () => (await installation.cli('vm', 'trust', 'robust')).code, { timeout: 300_000, interval: 2000 }).toBe(0)
  })

  it('of delete: the VM is gone with its disk, key and processes', async () => {
    const remove = installation.startCli('vm', 'delete', 'robust', '--yes')
    const { readdir } = await import('node:fs/promises')
    let killed = false
    const end = Date.now() + 300_000
    while (Date.now() < end) {
      const step = (await latestOperation('robust').catch(() => undefined))?.steps.some((each) => each.state === 'Running')
      if (step === true && !killed) {
        killed = true
        await installation.kill()
        await installation.start()
      }
      const left = await installation.must<VmView[]>('vm', 'list')
      if (left.length === 0) break
      await sleep(50)
    }
    await remove.outcome
    expect(await installation.must('vm', 'list')).toEqual([])
    expect(await machineProcesses(installation.stateDir)).toEqual([])
    expect(await readdir(`${installation.stateDir}/machines`)).toEqual([])
  })
})
