import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileHolds, filesUnder, formsOf } from '../host/secret-scan.ts'
import { descendantsOf } from './events.ts'

const chunkBytes = 1024 ** 2
/** Where they belong: the guest’s memory, its TPM, and the server, which is the paravisor too. */
const protectedPrograms = /^(?:qemu-system|swtpm)/

/** What a host must not have in clear, by name: keys, and what they protect. */
export type Secrets = Record<string, Uint8Array>

/**
 * The files of an installation that hold a secret, as `NAME in FILE`.
 * @param o.searched the same installation when it was searched before: what is equal there has none
 */
export async function secretsInFiles(
  stateDir: string,
  secrets: Secrets,
  o: { searched?: string } = {},
): Promise<string[]> {
  const needles = Object.values(secrets).flatMap(formsOf)
  const found: string[] = []
  for (const path of await filesUnder(stateDir)) {
    const name = relative(stateDir, path)
    // The server removes files meanwhile.
    const holds = async (texts: readonly Buffer[], searched?: string): Promise<boolean> =>
      await fileHolds(path, texts, searched).catch((error: unknown) => {
        if (existsSync(path)) throw error
        return false
      })
    if (!(await holds(needles, o.searched === undefined ? undefined : join(o.searched, name)))) continue
    for (const [secret, bytes] of Object.entries(secrets))
      if (await holds(formsOf(bytes))) found.push(`${secret} in ${name}`)
  }
  return found
}

/**
 * The processes that have a secret where any other can read it, in arguments or environment, and those below this one
 * that have it in memory, as `NAME in PROGRAM`.
 * @param o.server whose memory is the paravisor’s
 */
export async function secretsInProcesses(
  secrets: Secrets,
  o: { root: number; server: number | undefined },
): Promise<string[]> {
  const found: string[] = []
  const look = (program: string, pieces: Iterable<Buffer>): void => {
    const left = new Map(Object.entries(secrets).map(([name, bytes]) => [name, formsOf(bytes)]))
    for (const piece of pieces)
      for (const [name, forms] of left)
        if (forms.some((form) => piece.includes(form))) {
          found.push(`${name} in ${program}`)
          left.delete(name)
        }
  }
  const programOf = async (pid: number): Promise<string> =>
    (await readFile(`/proc/${pid}/comm`, 'latin1').catch(() => '')).trim()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const given = await Promise.all(
      ['cmdline', 'environ'].map(async (name) => await readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0))),
    )
    look(`what ${await programOf(pid)} was given`, given)
  }
  for (const pid of await descendantsOf(o.root)) {
    const program = await programOf(pid)
    if (pid !== o.server && program !== '' && !protectedPrograms.test(program))
      look(`the memory of ${program}`, memoryOf(pid))
  }
  return found
}

/** Every writable byte of a process, in pieces that overlap; nothing of one that ended. */
function* memoryOf(pid: number): Generator<Buffer> {
  let memory: number
  let maps: string
  try {
    memory = openSync(`/proc/${pid}/mem`, 'r')
    maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
  } catch {
    return
  }
  try {
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw(?!.*\[v)/gm)) {
      const end = Number.parseInt(to, 16)
      for (let start = Number.parseInt(from, 16); start < end; start += chunkBytes - 256) {
        const buffer = Buffer.alloc(Math.min(chunkBytes, end - start))
        const length = readOrNothing(memory, buffer, start)
        if (length > 0) yield buffer.subarray(0, length)
      }
    }
  } finally {
    closeSync(memory)
  }
}

/** A region may be gone meanwhile. */
function readOrNothing(file: number, buffer: Buffer, position: number): number {
  try {
    return readSync(file, buffer, 0, buffer.length, position)
  } catch {
    return 0
  }
}
