import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manufactureTpm } from './manufacture.ts'
import { bindSettings } from './settings-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import { TpmDirectory } from './tpm-directory.ts'

const index = '0x01400105'
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()
const [first, other] = [digestOf('settings'), digestOf('settings with one more key')]
let folder: string

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'strongroom-settings-'))))
afterAll(async () => await rm(folder, { recursive: true, force: true }))

async function made(name: string, settings?: Uint8Array): Promise<TpmDirectory> {
  const directory = await TpmDirectory.make({ path: join(folder, name), user: undefined })
  await manufactureTpm({ directory, ...(settings && { kept: { settings } }) })
  return directory
}

async function withTpm<T>(directory: TpmDirectory, work: (tpm: Swtpm) => Promise<T>): Promise<T> {
  const tpm = await startSwtpm({ directory, name: 'test', startup: 'clear' })
  try {
    const result = await work(tpm)
    await tpmTool(tpm, 'tpm2_shutdown', ['-c'])
    return result
  } finally {
    await stopSwtpm(tpm)
  }
}

/** As a guest, to which firmware leaves no platform hierarchy. */
const asGuest = async <T>(directory: TpmDirectory, work: (tpm: Swtpm) => Promise<T>): Promise<T> =>
  await withTpm(directory, async (tpm) => {
    await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
    return await work(tpm)
  })
const readAsGuest = async (directory: TpmDirectory): Promise<Buffer> =>
  await asGuest(directory, async (tpm) => await tpmTool(tpm, 'tpm2_nvread', ['-C', index, index]))
const bind = async (directory: TpmDirectory, settings: Uint8Array | undefined): Promise<void> =>
  await withTpm(directory, async (tpm) => await bindSettings(tpm, settings))

describe('the digest of a VM’s settings in its vTPM', () => {
  it('is written when the vTPM is made, read by any guest, and the same at each boot', async () => {
    const directory = await made('bound', first)
    await bind(directory, first)
    expect(await readAsGuest(directory)).toEqual(first)
  })

  it('is written once into the vTPM of a VM that was made without', async () => {
    const directory = await made('before')
    await expect(readAsGuest(directory)).rejects.toThrow('tpm2_nvread')
    await bind(directory, first)
    expect(await readAsGuest(directory)).toEqual(first)
    await expect(bind(directory, other)).rejects.toMatchObject({ code: 'SettingsChanged' })
  })

  it('is never replaced by that of other settings, or of none: the boot is refused with both (attack H24)', async () => {
    const directory = await made('kept', first)
    await expect(bind(directory, other)).rejects.toMatchObject({
      code: 'SettingsChanged',
      target: 'osProfile',
      expected: `settings with SHA-256 ${first.toString('hex')}`,
      found: `settings with SHA-256 ${other.toString('hex')}`,
    })
    await expect(bind(directory, undefined)).rejects.toMatchObject({ found: 'settings of its disk' })
    expect(await readAsGuest(directory)).toEqual(first)
  })

  it('is neither written nor removed by a guest, and what a guest puts in its place does not count (attack H24)', async () => {
    const directory = await made('guest', first)
    await asGuest(directory, async (tpm) => {
      const tools = [
        ['tpm2_nvundefine'],
        ['tpm2_nvwrite', '-i', await directory.give('other', other)],
        ['tpm2_nvwritelock'],
      ]
      for (const hierarchy of ['o', 'p', index])
        for (const [tool = '', ...more] of tools)
          await expect(tpmTool(tpm, tool, ['-C', hierarchy, index, ...more])).rejects.toThrow(tool)
      await directory.drop('other')
      await tpmTool(tpm, 'tpm2_clear', ['-c', 'l'])
    })
    expect(await readAsGuest(directory)).toEqual(first)

    const without = await made('without')
    const define = async (): Promise<void> =>
      await asGuest(without, async (tpm) => {
        await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', '-C', 'o', index, '-s', '32', '-a', 'authread|authwrite|ownerread'])
        await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', index, index, '-i', await without.give('other', other)])
        await without.drop('other')
      })
    await define()
    await bind(without, undefined)
    await expect(readAsGuest(without)).rejects.toThrow('tpm2_nvread')
    await define()
    await bind(without, first)
    expect(await readAsGuest(without)).toEqual(first)
  })
})
