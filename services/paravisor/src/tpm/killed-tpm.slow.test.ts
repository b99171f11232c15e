import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { admitBoots, readDiskKey, writeDiskKey, type DiskKey } from './disk-key.ts'
import { manufactureTpm } from './manufacture.ts'
import { TpmDirectory } from './tpm-directory.ts'

/** Work on a VM's TPM before its guest starts, with swtpm killed (SIGKILL) meanwhile. */
let runtimeDir: string
beforeEach(async () => void (runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-killed-tpm-'))))
afterEach(async () => await rm(runtimeDir, { recursive: true, force: true }))

const measured = new Uint8Array(32).fill(1)
const image = { 4: measured, 7: measured, 11: measured }
const key: DiskKey = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(64).fill(2),
  keyDigest: 'ab'.repeat(32),
}

const make = async (name: string, state?: Buffer): Promise<TpmDirectory> =>
  await TpmDirectory.make({ path: join(runtimeDir, name), user: undefined, ...(state !== undefined && { state }) })

/** A manufactured TPM that, as each boot finds it, has the key of the VM's disk. */
async function madeTpm(withKey: boolean): Promise<Buffer> {
  const directory = await make('made')
  await manufactureTpm({ directory })
  if (withKey) await writeDiskKey({ directory, key, image })
  return await directory.readState()
}

function processWith(o: { program: RegExp; file: 'cmdline' | 'environ'; text: string }): number | undefined {
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1')
    } catch {
      return ''
    }
  }
  const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))
  const found = pids.find((pid) => o.program.test(read(pid, 'cmdline')) && read(pid, o.file).includes(o.text))
  return found === undefined ? undefined : Number(found)
}

const swtpmIn = (directory: TpmDirectory): number | undefined =>
  processWith({ program: /^[^\0]*swtpm\0/, file: 'cmdline', text: `dir=${directory.path},` })

const toolOf = (socket: string): number | undefined =>
  processWith({ program: /^[^\0]*tpm2_/, file: 'environ', text: `swtpm:path=${socket}` })

/** Whether somebody listens on a socket at this path (__SO_ACCEPTCON among the flags of proc(5), net/unix). */
function listens(path: string): boolean {
  const lines = readFileSync('/proc/net/unix', 'latin1').split('\n')
  return lines.some((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[3] === '00010000')
}

interface Step {
  what: string
  /** Of the socket that the tools speak to. */
  socket: string
  /** Whether the TPM has the disk's key by then; undefined if there is none yet. */
  keyed: boolean | undefined
  work: (directory: TpmDirectory) => Promise<unknown>
}

const steps: Step[] = [
  {
    what: 'it is made',
    socket: 'maker',
    keyed: undefined,
    work: async (directory) => await manufactureTpm({ directory }),
  },
  {
    what: 'the disk’s key is laid into it',
    socket: 'disk-key',
    keyed: false,
    work: async (directory) => await writeDiskKey({ directory, key, image }),
  },
  {
    what: 'the machine is admitted',
    socket: 'disk-key',
    keyed: true,
    work: async (directory) => await admitBoots({ directory, machine: measured }),
  },
]

describe('a TPM that is killed while', () => {
  it.each(steps)(
    '$what is told as such, leaves nothing in clear, and the next one works',
    async ({ socket, keyed, work }) => {
      const state = keyed === undefined ? undefined : await madeTpm(keyed)
      const directory = await make('killed', state)
      const working = work(directory).catch((error: unknown) => error)
      const path = join(directory.path, socket)
      await expect.poll(() => listens(path) && listens(`${path}.ctrl`), { interval: 1 }).toBe(true)
      const pid = swtpmIn(directory)!
      // A stopped process answers nobody: the tool is still running when the TPM is killed.
      process.kill(pid, 'SIGSTOP')
      await expect.poll(() => toolOf(path), { interval: 1 }).toBeDefined()
      process.kill(pid, 'SIGKILL')
      expect(await working).toMatchObject({
        code: 'VtpmEnded',
        message: expect.stringMatching(/^The software TPM exited before it answered tpm2_\w+/) as string,
        found: 'swtpm ended',
      })
      expect(swtpmIn(directory)).toBeUndefined()
      const left = await readdir(directory.path)
      expect(left.filter((file) => ['disk.key', 'policy', 'primary.context'].includes(file))).toEqual([])
      // The guest state has another copy.
      const again = await make('again', state)
      await work(again)
      const kept = await readDiskKey({ directory: again })
      if (state === undefined) expect(kept).toBeUndefined()
      else expect(kept).toMatchObject({ luksUuid: key.luksUuid, volumeKey: Buffer.from(key.volumeKey) })
    },
  )
})
