import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitBoots, writeDiskKey, type AdmittedBoots, type DiskKey, type FoundUpdates } from './disk-key.ts'
import { manufactureTpm } from './manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool } from './swtpm.ts'
import { TpmDirectory } from './tpm-directory.ts'

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
const registers = (byte: number): { 4: Uint8Array; 7: Uint8Array; 11: Uint8Array } => {
  const value = new Uint8Array(sha256(Buffer.alloc(32), Buffer.alloc(32, byte)))
  return { 4: value, 7: value, 11: value }
}
const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const machine = sha256(Buffer.alloc(32), Buffer.alloc(32, 1))
const updates = { publisher: 'cd'.repeat(32), image: 'debian-13-confidential' }
const slot = { default: '0x01400103', other: '0x01400104' }

let runtimeDir: string
let directory: TpmDirectory

beforeAll(async () => {
  runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-boot-updates-'))
  directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user: undefined })
  await manufactureTpm({ directory })
  await writeDiskKey({ directory, key, image: registers(1), updates })
})

afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

/** Runs tools like a guest, after firmware that closed the platform hierarchy. */
async function asGuest<T>(
  work: (tool: (name: string, ...args: string[]) => Promise<Buffer>) => Promise<T>,
): Promise<T> {
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    await tpmTool(tpm, 'tpm2_hierarchycontrol', ['-Q', '-C', 'p', 'phEnable', 'clear'])
    return await work(async (name, ...args) => await tpmTool(tpm, name, args))
  } finally {
    await stopSwtpm(tpm)
  }
}

/** Before power-on: what was found, with this verdict on it. */
async function admit(said: AdmittedBoots): Promise<FoundUpdates> {
  let seen: FoundUpdates | undefined
  await admitBoots({
    directory,
    machine,
    judge: async (found) => {
      seen = found
      return await Promise.resolve(said)
    },
  })
  return seen!
}

describe('updates of the boot file, in the vTPM', () => {
  it('are told to the judge with the rules, the slots as the guest left them, and what the key is bound to', async () => {
    const content = Buffer.from('a document\n')
    const file = await directory.give('slot', content)
    await asGuest(async (tool) => await tool('tpm2_nvwrite', '-Q', '-C', slot.other, slot.other, '-i', file))
    await directory.drop('slot')
    const found = await admit({ image: true, updates: [registers(2)], lowest: 0 })
    expect(found.rules).toEqual({ ...updates, lowest: 0 })
    expect(found.image).toEqual(registers(1))
    expect(found.slots.map((each) => Buffer.from(each).toString('latin1').replace(/\0*$/, ''))).toEqual([
      '',
      'a document\n',
    ])
  })

  it('raise the lowest generation for good, and with it the image’s own boot file stays shut without a judge', async () => {
    await admit({ image: false, updates: [registers(2)], lowest: 3 })
    expect((await admit({ image: false, updates: [registers(2)], lowest: 3 })).rules.lowest).toBe(3)
    await admitBoots({ directory, machine })
    await expect(
      asGuest(
        async (tool) =>
          await tool('tpm2_nvread', '-C', '0x01400100', '0x01400100', '-P', 'pcr:sha256:1,2,3,4,6,7,11,12,13'),
      ),
    ).rejects.toThrow('tpm2_nvread')
  })

  it('have a list and rules that no guest writes, and none of them does a guest remove (attack H14)', async () => {
    await admit({ image: true, updates: [registers(2)], lowest: 3 })
    const file = await directory.give('slot', Buffer.alloc(106))
    await asGuest(async (tool) => {
      for (const index of ['0x01400101', '0x01400102'])
        for (const hierarchy of ['o', 'p', index])
          await expect(tool('tpm2_nvwrite', '-Q', '-C', hierarchy, index, '-i', file)).rejects.toThrow('tpm2_nvwrite')
      for (const index of ['0x01400101', '0x01400102', slot.default, slot.other])
        for (const hierarchy of ['o', 'p'])
          await expect(tool('tpm2_nvundefine', '-Q', '-C', hierarchy, index)).rejects.toThrow('tpm2_nvundefine')
    })
    await directory.drop('slot')
    expect((await admit({ image: true, updates: [], lowest: 3 })).rules.lowest).toBe(3)
  })
})
