import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recallAsked } from '../../apps/cli/src/trust/asked-settings.ts'
import { TestInstallation } from '../system/support/installation.ts'
import type { VmView } from '../system/support/vm.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start({}, ['--compute', 'simulated', '--test-api'])
})
afterAll(async () => {
  await installation.remove()
})

const create = async (name: string): Promise<VmView> =>
  await installation.must<VmView>('vm', 'create', name, '--no-wait')
const codeOf = (json: unknown): string => (json as { error: { code: string } }).error.code
/** A VM that starts slowly. */
const slowly = async (milliseconds: number): Promise<unknown> =>
  await installation.must('test', 'fault', 'add', 'slow-operation', '--once', '--milliseconds', String(milliseconds))

describe('vm create --no-wait', () => {
  it('returns while the VM is made, and vm wait when it runs', async () => {
    await slowly(4_000)
    const made = await create('one')
    expect(made.properties.provisioningState).toBe('Creating')
    const waited = await installation.must<VmView>('vm', 'wait', 'one')
    expect(waited.properties.provisioningState).toBe('Succeeded')
    // `vm trust` compares the guest with the request, which is recorded here as after a create that waits.
    const remembered = await recallAsked(join(installation.home, 'config/strongroom'), waited.properties.vmId)
    expect(remembered?.vm).toMatchObject({ secureBoot: true, encryption: 'DiskWithVMGuestState' })
  })
})

describe('vm wait', () => {
  it('comes back when the VM is deallocated, runs again, and is gone', async () => {
    await create('two')
    await installation.must('vm', 'wait', 'two', '--for', 'running')
    await installation.must('vm', 'deallocate', 'two', '--no-wait')
    await installation.must('vm', 'wait', 'two', '--for', 'deallocated')
    await installation.must('vm', 'start', 'two', '--no-wait')
    await installation.must('vm', 'wait', 'two', '--for', 'running')
    await installation.must('vm', 'delete', 'two', '--yes', '--no-wait')
    expect(await installation.must('vm', 'wait', 'two', '--for', 'deleted')).toEqual({ deleted: 'two' })
  })

  it('fails with what the VM failed with', async () => {
    await installation.must('test', 'fault', 'add', 'boot-failure', '--once')
    await create('three')
    const waited = await installation.cli('vm', 'wait', 'three')
    expect([waited.code, codeOf(waited.json)]).toEqual([1, 'InjectedBootFailure'])
  })

  it('gives up after the time that it was given', async () => {
    await create('four')
    const waited = await installation.cli('vm', 'wait', 'four', '--for', 'deleted', '--timeout', '0')
    expect([waited.code, codeOf(waited.json)]).toEqual([1, 'WaitTimedOut'])
  })

  it('says where there is no such VM, and refuses other states and times', async () => {
    expect((await installation.cli('vm', 'wait', 'nobody')).code).toBe(4)
    expect((await installation.cli('vm', 'wait', 'four', '--for', 'better')).code).toBe(2)
    expect((await installation.cli('vm', 'wait', 'four', '--timeout', 'long')).code).toBe(2)
  })
})

describe('--watch', () => {
  it('shows a list again when it has changed, and not when it has not', async () => {
    const { child } = installation.startCli('vm', 'list', '--watch', '1')
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    const names = async (): Promise<string[]> =>
      (JSON.parse((await lines.next()).value as string) as VmView[]).map(({ name }) => name)
    try {
      const before = await names()
      expect(before).not.toContain('five')
      await create('five')
      expect(await names()).toContain('five')
    } finally {
      child.kill('SIGINT')
    }
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    expect([code, signal]).toEqual([null, 'SIGINT'])
  })

  it('is refused with what is not a number of seconds', async () => {
    for (const given of ['0', 'often', '1.5'])
      expect((await installation.cli('vm', 'list', '--watch', given)).code).toBe(2)
  })
})
