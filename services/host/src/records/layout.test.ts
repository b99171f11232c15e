import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTimeOf } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { isVmId, makeRuntime, sweepRuntime, vmFiles } from './layout.ts'

const vmId = '5A1E0000-0000-4000-8000-00000000507E'
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

describe('places of a VM', () => {
  it('are under its own id, and no other text makes a path', () => {
    expect(vmFiles('/state', exampleSpec.vmId).disk).toBe(`/state/machines/${exampleSpec.vmId}/os-disk.raw`)
    expect(isVmId('../../etc')).toBe(false)
    expect(() => vmFiles('/state', '../../etc')).toThrow(/not a VM id/)
  })

  it('in memory are swept when their server is gone, and left to another that runs', async () => {
    const { runtimeDir: own } = await makeRuntime(vmId)
    const make = async (owner: string): Promise<string> => {
      const directory = await mkdtemp(own.slice(0, -6))
      await writeFile(join(directory, 'owner'), owner)
      return directory
    }
    const dead = await make(`${process.pid + 4_000_000} 1`)
    const reused = await make(`${process.ppid} 1`)
    const running = await make(`${process.ppid} ${startTimeOf(process.ppid)}`)
    try {
      await sweepRuntime(vmId)
      expect(await Promise.all([own, dead, reused, running].map(exists))).toEqual([false, false, false, true])
    } finally {
      await rm(running, { recursive: true, force: true })
    }
  })
})
