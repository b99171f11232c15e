import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootRegisters } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitBoots, writeDiskKey, type AdmittedBoots, type DiskKey } from '../tpm/disk-key.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool } from '../tpm/swtpm.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { recipesDirectory } from './recipe.ts'

/** The initrd's own TPM functions, up to opening the disk, in a shell on this machine. */
const init = readFileSync(join(recipesDirectory, 'common/init'), 'utf8')
const functions = ['tpm', 'return_code', 'read_disk_key', 'read_index'].map((name) => {
  const found = new RegExp(`^${name}\\(\\) \\{(?:.*\\}\\n|\\n[^]*?^\\}\\n)`, 'm').exec(init)?.[0]
  if (found === undefined) throw new Error(`init has no function ${name}`)
  return found
})
const success = /^readonly success=.*$/m.exec(init)![0]

const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const measured = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 1)).digest()
const separator = createHash('sha256').update(Buffer.alloc(4)).digest('hex')

let runtimeDir: string
let directory: TpmDirectory

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
  await admitBoots({ directory, machine: measured })
})

afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

/** Output of read_disk_key after a boot with these extensions. */
async function readInInitrd(extend: readonly number[], byte = 1): Promise<{ code: number | null; said: string }> {
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  try {
    for (const register of [2, 3, 6]) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${separator}`])
    // The same machine, whatever it boots.
    const digest = (register: number): string => (register === 1 ? '01' : `0${byte}`).repeat(32)
    for (const register of extend) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${digest(register)}`])
    const listing = (await tpmTool(tpm, 'tpm2_nvreadpublic', ['0x01400100'])).toString()
    const size = Number(/size: (\d+)/.exec(listing)![1])
      .toString(16)
      .padStart(4, '0')
    return await runShell(tpm.socket, `${success}\n${functions.join('\n')}\nread_disk_key ${size}\n`)
  } finally {
    await stopSwtpm(tpm)
  }
}

async function runShell(socket: string, script: string): Promise<{ code: number | null; said: string }> {
  const device = await new Promise<Socket>((done, fail) => {
    const made = connect(socket, () => done(made)).once('error', fail)
  })
  device.pause()
  // Reading /dev/tpm0 waits for the answer. Node makes inherited descriptors blocking only up to 2, so a socket passed
  // as 3 gives EAGAIN if swtpm has not answered yet.
  const child = spawn('sh', ['-c', `exec 3<&0 0</dev/null\n${script}`], { stdio: [device, 'pipe', 'inherit'] })
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  device.destroy()
  return { code, said }
}

const booted = [1, 4, 7, 11]

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

  it.each(bootRegisters)('reads none after a boot that differs in PCR %i alone (attacks B3, H3)', async (register) => {
    expect(await readInInitrd([...booted, register])).toEqual({ code: 1, said: '' })
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
    await admitBoots({ directory, machine: measured, judge })
    expect((await readInInitrd(booted, byte)).code).toBe(code)
  })

  it.each(bootRegisters)(
    'reads none after the boot of an update that differs in PCR %i alone (attack H14)',
    async (register) => {
      const updates = [registersOfUpdate(2)]
      await admitBoots({ directory, machine: measured, judge: async () => await Promise.resolve({ image: true, updates, lowest: 2 }) }) // prettier-ignore
      expect(await readInInitrd([...booted, register], 2)).toEqual({ code: 1, said: '' })
    },
  )
})
