import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootRegisters, firmwareRegister } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitBoots, type AdmittedBoots, type DiskKey } from '@strongroom/paravisor/testing'
import {
  writeDiskKey,
  manufactureTpm,
  readRegisters,
  startSwtpm,
  stopSwtpm,
  tpmTool,
  type Swtpm,
  TpmDirectory,
} from '@strongroom/paravisor/tpm'
import { endorsementKeyOf, init, initrdFunctions, readDiskKey, runShell, withSession } from '../testing/initrd-shell.ts'

const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const measured = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 1)).digest()
/** PCR 0 and PCR 1 of the boots that are admitted. */
const hardware = { firmware: measured, machine: measured }
const separator = createHash('sha256').update(Buffer.alloc(4)).digest('hex')

let runtimeDir: string
let directory: TpmDirectory
/** Certificate of its endorsement key. */
let endorsement: Uint8Array

beforeAll(async () => {
  runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-initrd-'))
  directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user: undefined })
  await manufactureTpm({ directory })
  await writeDiskKey({
    directory,
    key,
    image: { 4: measured, 7: measured, 11: measured },
    updates: { publisher: 'cd'.repeat(32), image: 'debian-13-confidential' },
  })
  await admitBoots({ directory, ...hardware })
  endorsement = await endorsementKeyOf(directory)
})

afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

/** Output of read_disk_key after a boot with these extensions. */
async function readInInitrd(extend: readonly number[], byte = 1): Promise<{ code: number | null; said: string }> {
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    for (const register of [2, 3, 6]) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${separator}`])
    // The same firmware and machine, whatever they boot.
    const digest = (register: number): string => (register <= 1 ? '01' : `0${byte}`).repeat(32)
    for (const register of extend) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${digest(register)}`])
    const script = `${await withSession({ key: endorsement })}\nopen_session || exit 7\n${readDiskKey}`
    return await runShell(tpm.socket, script)
  } finally {
    await stopSwtpm(tpm)
  }
}

const booted = [firmwareRegister, 1, 4, 7, 11]
const named = [firmwareRegister, ...bootRegisters]

/** PCRs of a boot whose measurements all are this byte. */
const registersOfUpdate = (byte: number): { 4: Uint8Array; 7: Uint8Array; 11: Uint8Array } => {
  const value = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, byte)).digest()
  return { 4: value, 7: value, 11: value }
}

describe('the initrd', () => {
  it('reads the disk’s key from the vTPM after the boot that was predicted', async () => {
    const { code, said } = await readInInitrd(booted)
    expect([code, said.split(' ').slice(0, 4)]).toEqual([
      0,
      ['2', key.luksUuid, Buffer.from(key.volumeKey).toString('hex'), key.keyDigest],
    ])
  })

  it.each(named)('reads none after a boot that differs in PCR %i alone (attacks B3, H3, H34)', async (register) => {
    expect(await readInInitrd([...booted, register])).toEqual({ code: 1, said: '' })
  })

  it('reads it under the policy without PCR 0 that a VM of an earlier image keeps, also beside an update', async () => {
    const old = { directory, machine: measured }
    const judge = async (): Promise<AdmittedBoots> =>
      await Promise.resolve({ image: true, updates: [registersOfUpdate(2)], lowest: 0 })
    for (const o of [{}, { judge }]) {
      await admitBoots({ ...old, ...o })
      expect((await readInInitrd(booted)).code).toBe(0)
      expect((await readInInitrd([...booted, firmwareRegister])).code).toBe(0)
      expect(await readInInitrd([...booted, 1])).toEqual({ code: 1, said: '' })
    }
    await admitBoots({ directory, ...hardware })
    expect(await readInInitrd([...booted, firmwareRegister])).toEqual({ code: 1, said: '' })
  })

  // One boot each: a boot of the vTPM runs a dozen programs, which is slow on a busy machine.
  it.each([
    ['the image’s own, beside an update', { image: true, updates: [2], lowest: 0 }, 1, 0],
    ['an update, beside the image’s own', { image: true, updates: [2], lowest: 0 }, 2, 0],
    ['an update that is not admitted', { image: true, updates: [2], lowest: 0 }, 3, 1],
    ['the image’s own, beside two updates', { image: true, updates: [2, 3], lowest: 0 }, 1, 0],
    ['the second of two updates', { image: true, updates: [2, 3], lowest: 0 }, 3, 0],
    ['the update that superseded the others', { image: false, updates: [3], lowest: 2 }, 3, 0],
    ['the image’s own, once it was superseded', { image: false, updates: [3], lowest: 2 }, 1, 1],
    ['an update, once it was superseded', { image: false, updates: [3], lowest: 2 }, 2, 1],
    ['the image’s own, where nothing is admitted', { image: false, updates: [], lowest: 2 }, 1, 1],
  ])('opens the disk, or not, after a boot of %s (attack H14)', async (_what, { updates, ...rest }, byte, code) => {
    const judge = async (): Promise<AdmittedBoots> =>
      await Promise.resolve({ ...rest, updates: updates.map(registersOfUpdate) })
    await admitBoots({ directory, ...hardware, judge })
    expect((await readInInitrd(booted, byte)).code).toBe(code)
  })

  it.each(named)(
    'reads none after the boot of an update that differs in PCR %i alone (attack H14)',
    async (register) => {
      const updates = [registersOfUpdate(2)]
      await admitBoots({
        directory,
        ...hardware,
        judge: async () => await Promise.resolve({ image: true, updates, lowest: 2 }),
      })
      expect(await readInInitrd([...booted, register], 2)).toEqual({ code: 1, said: '' })
    },
  )

  /** What measure_settings makes of PCR 14, with this digest in the vTPM and what a host changes before. */
  async function measuredSettings(
    settings: Uint8Array | undefined,
    change: (tpm: Swtpm) => Promise<unknown> = async () => await Promise.resolve(),
  ): Promise<{ register: string | undefined; said: string }> {
    const own = await TpmDirectory.make({ path: join(runtimeDir, randomBytes(4).toString('hex')), user: undefined })
    await manufactureTpm({ directory: own, ...(settings && { kept: { settings } }) })
    const tpm = await startSwtpm({ directory: own, name: 'guest', startup: 'clear' })
    try {
      await change(tpm)
      const script = `${initrdFunctions}measure_settings\n`
      const { said } = await runShell(tpm.socket, script)
      return { register: (await readRegisters(tpm))['14'], said }
    } finally {
      await stopSwtpm(tpm)
    }
  }

  it('measures the settings that the vTPM was made for into PCR 14, before it reads the disk’s key (attack H24)', async () => {
    const settings = new Uint8Array(randomBytes(32))
    const value = createHash('sha256').update(Buffer.alloc(32)).update(settings).digest('hex')
    expect(await measuredSettings(settings)).toEqual({ register: value, said: '' })
    const main = init.slice(init.indexOf('[ -c /dev/tpm0 ]'))
    expect(main.indexOf('measure_settings')).toBeGreaterThan(0)
    expect(main.indexOf('measure_settings')).toBeLessThan(main.indexOf('open_encrypted'))
  })

  it('measures none where the vTPM has none, and stops where it does not say', async () => {
    expect(await measuredSettings(undefined)).toEqual({ register: '00'.repeat(32), said: '' })
    // Defined, and never written.
    const define = async (tpm: Swtpm): Promise<unknown> =>
      await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', '-C', 'o', '0x01400105', '-s', '32', '-a', 'authread|authwrite'])
    const { register, said } = await measuredSettings(undefined, define)
    expect([register, said]).toEqual(['00'.repeat(32), 'the TPM does not say which settings this VM is for\n'])
  })

  /** What mix_random writes and says with such a processor, and a vTPM that answers or not. */
  async function mixedRandom(o: { flags?: string; answers?: boolean } = {}): Promise<{ mixed: string; said: string }> {
    const { flags = 'fpu rdrand rdseed', answers = true } = o
    const at = (name: string): string => join(runtimeDir, name)
    await writeFile(at('cpuinfo'), `processor\t: 0\nflags\t\t: ${flags} smep\nbugs\t\t: no rdrand \n`)
    await writeFile(at('urandom'), '')
    const tpm = await startSwtpm({ directory, name: 'guest', startup: answers ? 'clear' : 'resume' })
    try {
      const own = initrdFunctions.replace('/proc/cpuinfo', at('cpuinfo')).replace('/dev/urandom', at('urandom'))
      const script = `${own}\nmix_random\n`
      const { said } = await runShell(tpm.socket, script)
      return { mixed: (await readFile(at('urandom'))).toString('hex'), said }
    } finally {
      await stopSwtpm(tpm)
    }
  }

  it('mixes new random bytes of the vTPM into the kernel’s pool before it reads the disk’s key (attack B8)', async () => {
    const [first, second] = [await mixedRandom(), await mixedRandom()]
    for (const { mixed, said } of [first, second]) expect([mixed.length, said]).toEqual([64, ''])
    expect(first.mixed).not.toBe(second.mixed)
    const main = init.slice(init.indexOf('[ -c /dev/tpm0 ]'))
    expect(main.indexOf('mix_random')).toBeGreaterThan(0)
    expect(main.indexOf('mix_random')).toBeLessThan(main.indexOf('open_encrypted'))
  })

  it('goes no further where processor or vTPM have no random numbers (attack B8)', async () => {
    const refused = { mixed: '', said: 'the processor has no random numbers\n' }
    expect(await mixedRandom({ flags: 'fpu nordrand rdseed' })).toEqual(refused)
    expect(await mixedRandom({ answers: false })).toEqual({ mixed: '', said: 'the TPM gives no random numbers\n' })
  })

  /** What require_set_up says with a vTPM that says so or not, and a disk that was set up or not. */
  async function requireSetUp(o: { vTpm?: 0 | 1; disk: boolean }): Promise<string> {
    const folder = join(runtimeDir, randomBytes(4).toString('hex'))
    const state = join(folder, 'root/var/lib/strongroom')
    await mkdir(state, { recursive: true })
    const own = await TpmDirectory.make({ path: join(folder, 'tpm'), user: undefined })
    await manufactureTpm({ directory: own, ...(o.vTpm !== undefined && { kept: { settings: undefined } }) })
    if (o.disk) await writeFile(join(state, 'made'), '')
    const tpm = await startSwtpm({ directory: own, name: 'guest', startup: 'clear' })
    try {
      if (o.vTpm === 1) {
        const args = ['-Q', '-C', '0x01400106', '0x01400106', '-i', await own.give('set-up', Uint8Array.of(1))]
        await tpmTool(tpm, 'tpm2_nvwrite', args)
      }
      const script = `${initrdFunctions}require_set_up ${join(folder, 'root')}\n`
      return (await runShell(tpm.socket, script)).said
    } finally {
      await stopSwtpm(tpm)
    }
  }

  it('starts no disk that was never set up in a VM that was (attack H24)', async () => {
    const refused = 'OS disk refused: this VM was set up before, and the disk never was\n'
    expect(await requireSetUp({ vTpm: 1, disk: false })).toBe(refused)
    expect(await requireSetUp({ vTpm: 1, disk: true })).toBe('')
    expect(await requireSetUp({ vTpm: 0, disk: false })).toBe('')
    expect(await requireSetUp({ disk: false })).toBe('')
  })
})
