import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootRegisters, firmwareRegister } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitBoots, readDiskKey, writeDiskKey, type DiskKey } from './disk-key.ts'
import { manufactureTpm } from './manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool } from './swtpm.ts'
import { permanentState, TpmDirectory } from './tpm-directory.ts'

const measured = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 1)).digest()
/** One digest of ones extended into PCRs 4, 7 and 11, and into 1 by the machine. */
const image = { 4: measured, 7: measured, 11: measured }
const machine = measured
/** What every boot extends: the digest of a separator. */
const separator = createHash('sha256').update(Buffer.alloc(4)).digest('hex')
const booted = [1, 4, 7, 11]
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
  await writeDiskKey({ directory, key, image })
  await admitBoots({ directory, machine })
})

afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

/** What a guest gets from reading the index after these extensions; the platform hierarchy is closed, as firmware leaves it. */
async function readAsGuest(
  extend: readonly number[],
  at = directory,
  registers: readonly number[] = bootRegisters,
): Promise<string> {
  const tpm = await startSwtpm({ directory: at, name: 'guest', startup: 'clear' })
  try {
    await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
    for (const register of [2, 3, 6]) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${separator}`])
    for (const register of extend) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${'01'.repeat(32)}`])
    const policy = `pcr:sha256:${registers.join(',')}`
    return (await tpmTool(tpm, 'tpm2_nvread', ['-C', index, index, '-P', policy])).toString()
  } finally {
    await stopSwtpm(tpm)
  }
}

describe('the key of an OS disk in the vTPM', () => {
  it('is read back by the platform, and by a boot that was measured as predicted', async () => {
    expect(await readDiskKey({ directory })).toEqual({ ...key, volumeKey: Buffer.from(key.volumeKey) })
    expect(await readAsGuest(booted)).toContain(Buffer.from(key.volumeKey).toString('hex'))
    expect((await readdir(directory.path)).filter((name) => !name.startsWith('.'))).toEqual([permanentState])
  })

  it.each(bootRegisters)(
    'is out of reach of a boot that differs in PCR %i alone (attacks B3, H3)',
    async (register) => {
      await expect(readAsGuest([...booted, register])).rejects.toThrow('tpm2_nvread')
    },
  )

  it('is read on the machine that was admitted last, and before one was on none (attack B3)', async () => {
    await admitBoots({ directory, machine: createHash('sha256').update('another').digest() })
    await expect(readAsGuest(booted)).rejects.toThrow('tpm2_nvread')
    await admitBoots({ directory, machine })
    expect(await readAsGuest(booted)).toContain(Buffer.from(key.volumeKey).toString('hex'))
    const fresh = {
      directory: await TpmDirectory.make({ path: join(runtimeDir, 'fresh'), user: undefined }),
    }
    await manufactureTpm(fresh)
    await writeDiskKey({ ...fresh, key, image })
    await expect(readAsGuest(booted, fresh.directory)).rejects.toThrow('tpm2_nvread')
    await rm(fresh.directory.path, { recursive: true })
  })

  it('is out of reach of other firmware than was launched, once the initrd names PCR 0 (attack H34)', async () => {
    const named = [firmwareRegister, ...bootRegisters]
    const read = async (extend: readonly number[]): Promise<string> => await readAsGuest(extend, directory, named)
    await expect(read([firmwareRegister, ...booted])).rejects.toThrow('tpm2_nvread')
    expect((await admitBoots({ directory, machine, firmware: measured }))[0]?.[firmwareRegister]).toEqual(measured)
    expect(await read([firmwareRegister, ...booted])).toContain(Buffer.from(key.volumeKey).toString('hex'))
    await expect(read(booted)).rejects.toThrow('tpm2_nvread')
    await expect(read([firmwareRegister, firmwareRegister, ...booted])).rejects.toThrow('tpm2_nvread')
    await expect(readAsGuest([firmwareRegister, ...booted])).rejects.toThrow('tpm2_nvread')
    // Firmware of the next boot, which the vault admitted.
    await admitBoots({ directory, machine, firmware: createHash('sha256').update('another').digest() })
    await expect(read([firmwareRegister, ...booted])).rejects.toThrow('tpm2_nvread')
    expect((await admitBoots({ directory, machine }))[0]?.[firmwareRegister]).toBeUndefined()
    expect(await readAsGuest(booted)).toContain(Buffer.from(key.volumeKey).toString('hex'))
  })

  it('is read under the PCR 7 of the VM’s updated variables, and no longer under the one before (attack H15)', async () => {
    const twice = createHash('sha256').update(measured).update(Buffer.alloc(32, 1)).digest()
    await admitBoots({ directory, machine, settle: async () => await Promise.resolve(twice) })
    expect(await readAsGuest([...booted, 7])).toContain(Buffer.from(key.volumeKey).toString('hex'))
    await expect(readAsGuest(booted)).rejects.toThrow('tpm2_nvread')
    let bound: Uint8Array | undefined
    await admitBoots({
      directory,
      machine,
      settle: async ({ image: first }) => {
        bound = first[7]
        return await Promise.resolve(undefined)
      },
    })
    expect([await readAsGuest(booted), Buffer.from(bound!)]).toEqual([expect.any(String), measured])
  })

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
