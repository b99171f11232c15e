import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootRegisters, type BootRegisters } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDiskKey, writeDiskKey, type DiskKey } from './disk-key.ts'
import { manufactureTpm } from './manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool } from './swtpm.ts'
import { permanentState, TpmDirectory } from './tpm-directory.ts'

const measured = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 1)).digest()
const zero = new Uint8Array(32)
/** One digest of ones was extended into PCRs 4, 7 and 11. */
const registers: BootRegisters = { 4: measured, 7: measured, 11: measured, 12: zero, 13: zero }
const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const index = '0x01400100'

let runtimeDir: string
let directory: TpmDirectory

beforeAll(async () => {
  runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-disk-key-'))
  directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user: undefined })
  await manufactureTpm({ directory })
  await writeDiskKey({ directory, key, registers })
})

afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

/** What a guest gets that read the index with these extensions behind it; the platform hierarchy is closed, as firmware leaves it. */
async function readAsGuest(extend: number[]): Promise<string> {
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
    for (const register of extend) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${'01'.repeat(32)}`])
    const policy = `pcr:sha256:${bootRegisters.join(',')}`
    return (await tpmTool(tpm, 'tpm2_nvread', ['-C', index, index, '-P', policy])).toString()
  } finally {
    await stopSwtpm(tpm)
  }
}

describe('the key of an OS disk in the vTPM', () => {
  it('is read back by the platform, and by a boot that was measured as predicted', async () => {
    expect(await readDiskKey({ directory })).toEqual({ ...key, volumeKey: Buffer.from(key.volumeKey) })
    expect(await readAsGuest([4, 7, 11])).toContain(Buffer.from(key.volumeKey).toString('hex'))
    expect((await readdir(directory.path)).filter((name) => !name.startsWith('.'))).toEqual([permanentState])
  })

  it.each([4, 7, 11, 12, 13])(
    'is out of reach of a boot that differs in PCR %i alone (attack H3)',
    async (register) => {
      await expect(readAsGuest([4, 7, 11, register])).rejects.toThrow('tpm2_nvread')
    },
  )

  it('is neither removed nor replaced by a guest, whatever it measured (attack H9)', async () => {
    const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
    try {
      await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
      for (const tool of ['tpm2_nvundefine', 'tpm2_nvread', 'tpm2_nvwritelock'])
        for (const hierarchy of ['o', 'p', index])
          await expect(tpmTool(tpm, tool, ['-C', hierarchy, index])).rejects.toThrow(tool)
      for (const hierarchy of ['o', 'p'])
        await expect(tpmTool(tpm, 'tpm2_nvdefine', ['-C', hierarchy, index, '-s', '32'])).rejects.toThrow('nvdefine')
      await tpmTool(tpm, 'tpm2_clear', ['-c', 'l'])
    } finally {
      await stopSwtpm(tpm)
    }
    expect((await readDiskKey({ directory }))?.luksUuid).toBe(key.luksUuid)
  })
})
