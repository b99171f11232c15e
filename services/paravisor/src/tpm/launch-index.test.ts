import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launchIndex, writeLaunchRecord } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeLaunch } from './launch-index.ts'
import { hexOf } from './nv-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import { TpmDirectory } from './tpm-directory.ts'

const index = hexOf(launchIndex.handle)
const [first, next] = [1, 2].map((generation) => ({ claims: Buffer.alloc(32, generation), generation }))
let folder: string
let directory: TpmDirectory

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-launch-'))
  directory = await TpmDirectory.make({ path: join(folder, 'tpm'), user: undefined })
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

async function booted(work: (tpm: Swtpm) => Promise<void>): Promise<void> {
  const tpm = await startSwtpm({ directory, name: 'test', startup: 'clear' })
  try {
    await work(tpm)
    await tpmTool(tpm, 'tpm2_shutdown', ['-c'])
  } finally {
    await stopSwtpm(tpm)
  }
}

const content = async (tpm: Swtpm): Promise<Buffer> => await tpmTool(tpm, 'tpm2_nvread', ['-C', index, index])

describe('the launch in a vTPM', () => {
  it('is that of the boot, whatever index its guest put there before, and no guest writes or removes it (attack H38)', async () => {
    await booted(async (tpm) => {
      await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', '-C', 'o', index, '-s', '40', '-a', 'authread|authwrite|ownerread'])
    })
    await booted(async (tpm) => {
      await writeLaunch(tpm, first!)
      await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
      const other = await directory.give('other', writeLaunchRecord(next!))
      for (const hierarchy of ['o', 'p', index])
        for (const [tool = '', ...more] of [['tpm2_nvundefine'], ['tpm2_nvwrite', '-i', other], ['tpm2_nvwritelock']])
          await expect(tpmTool(tpm, tool, ['-C', hierarchy, index, ...more])).rejects.toThrow(tool)
      await directory.drop('other')
      expect(await content(tpm)).toEqual(Buffer.from(writeLaunchRecord(first!)))
    })
    await booted(async (tpm) => {
      await writeLaunch(tpm, next!)
      expect(await content(tpm)).toEqual(Buffer.from(writeLaunchRecord(next!)))
    })
  })
})
