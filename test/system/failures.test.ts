import { copyFile, rename } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { processesOf } from './support/processes.ts'
import { guestStateFile, statusOf, type VmView } from './support/vm.ts'

interface Refusal {
  error: { code: string; message: string; innererror?: { expected?: string; found?: string; remedy?: string } }
}

/**
 * A VM with VMGuestStateOnly, really booted, whose host attacks it while it runs: what happened is said with its remedy, nothing is
 * left running, and the VM starts again once the cause is gone.
 */
const installation = await TestInstallation.create()
let vm: VmView

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', 'plain', '--encryption', 'VMGuestStateOnly')
})

afterAll(async () => await installation.remove())

async function refused(...args: string[]): Promise<Refusal['error']> {
  const outcome = await installation.cli(...args)
  expect(outcome.code, outcome.stdout).not.toBe(0)
  return (outcome.json as Refusal).error
}

describe('a running VM', () => {
  it('whose vTPM is killed is ended with it, is told as such, and starts again (attack V11)', async () => {
    const swtpm = (await processesOf(vm.properties.vmId)).find((each) => each.command === 'swtpm')
    process.kill(swtpm!.pid, 'SIGKILL')
    await expect
      .poll(async () => statusOf(await installation.must<VmView>('vm', 'show', 'plain'), 'PowerState/'), {
        timeout: 60_000,
        interval: 500,
      })
      .toMatchObject({
        code: 'PowerState/stopped',
        message: expect.stringContaining('The software TPM ended while the guest ran') as string,
      })
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await installation.must('vm', 'start', 'plain')
  })

  it('whose guest state is exchanged: the stop says so and where the newest is, and put back it runs (attack H10)', async () => {
    const path = await guestStateFile(installation, vm)
    await copyFile(path, `${path}.copy`)
    await rename(`${path}.copy`, path)
    const error = await refused('vm', 'deallocate', 'plain')
    expect(error.code).toBe('GuestStateExchanged')
    expect(error.innererror?.remedy).toContain('guest-state.vmgs.kept')
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    const start = await refused('vm', 'start', 'plain')
    expect(start.code).toBe('GuestStateExchanged')
    expect(start.innererror?.remedy).toContain('guest-state.vmgs.kept')
    await rename(`${path}.kept`, path)
    await installation.must('vm', 'start', 'plain')
  })
})
