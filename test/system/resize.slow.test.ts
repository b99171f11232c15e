import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AskedVm } from '../../apps/cli/src/trust/asked-settings.ts'
import { TestInstallation } from './support/installation.ts'
import type { VmView } from './support/vm.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start()
  await installation.must('image', 'build')
}, 600_000)
afterAll(async () => {
  await installation.remove()
})

describe('a VM that is resized', { timeout: 1_800_000 }, () => {
  it('has processors as the new size, is trusted in it, and keeps its data, record and pins', async () => {
    const { properties } = await installation.must<VmView>('vm', 'create', 'grows')
    await installation.must('vm', 'trust', 'grows')
    const path = join(installation.home, 'config/strongroom/asked', `${properties.vmId.toLowerCase()}.json`)
    const record = async (): Promise<AskedVm> => JSON.parse(await readFile(path, 'utf8')) as AskedVm
    const before = await record()
    await installation.asRoot('grows', 'echo kept > /root/mark; sync')
    await installation.must('vm', 'resize', 'grows', '--size', 'Standard_DC4as_v5')
    // A host gives a guest no more processors than it has.
    const processors = Math.min(4, availableParallelism())
    expect(await installation.asRoot('grows', 'nproc; cat /root/mark')).toBe(`${processors}\nkept`)
    // Exit code 0: trusted.
    expect(await installation.must('vm', 'trust', 'grows')).toMatchObject({ trusted: true, warnings: [] })
    const { firmware, ...pins } = before.pins!
    const after = await record()
    expect(after).toEqual({ ...before, pins: { ...pins, firmware: after.pins?.firmware } })
    expect(after.pins?.firmware?.sha256).toBe(firmware?.sha256)
  })
})
