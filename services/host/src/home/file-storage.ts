import { constants, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasLandlock, startProgram, writeFileAtomically, type Logger, type OwnedProcess } from '@strongroom/platform'
import type { StorageBackend } from './storage-backend.ts'
import type { Turns } from './turns.ts'

/** How long the daemon may take to start listening, in milliseconds. */
const listenMs = 10_000
const names = { disk: 'os-disk.raw', state: 'guest-state.vmgs' }

interface Served {
  /** Serves the present epoch's disk. */
  daemon?: OwnedProcess
  /** Connections to it. */
  open: number
}

/**
 * Files of the server. A separate qemu-storage-daemon serves each epoch's disk. A later epoch begins by ending that
 * process: nothing can be written for the earlier one afterwards.
 */
export class FileStorage implements StorageBackend {
  readonly #directory: string
  readonly #turns: Turns
  readonly #logger: Logger
  readonly #served = new Map<string, Served>()

  /** @param o.turns the caller's, for work between its calls */
  constructor(o: { directory: string; turns: Turns; logger: Logger }) {
    this.#directory = o.directory
    this.#turns = o.turns
    this.#logger = o.logger
  }

  async has(vmId: string): Promise<boolean> {
    const found = await Promise.all(Object.values(names).map(async (name) => await sizeOf(join(this.#directory, vmId, name)))) // prettier-ignore
    return found.some((size) => size !== undefined)
  }

  /** NBD, for the export `os`, at the epoch that the fence has last been given. */
  async openDisk(o: { vmId: string; epoch: number; sizeGiB: number }): Promise<Socket> {
    const served = this.#of(o.vmId)
    const directory = await this.#directoryOf(o.vmId)
    const socket = `${o.epoch}.sock`
    if (!runs(served.daemon)) {
      const disk = join(directory, names.disk)
      await lay(disk, o.sizeGiB * 2 ** 30)
      await rm(join(directory, socket), { force: true })
      served.daemon = startDaemon({ directory, disk, socket })
    }
    const connection = await connected(directory, socket)
    const at = { vmId: o.vmId, epoch: o.epoch }
    this.#logger.info(at, 'a disk was opened')
    served.open += 1
    connection.once('close', () => {
      this.#logger.info({ ...at, bytes: connection.bytesWritten }, 'a disk was closed')
      served.open -= 1
      // No process remains for a VM that is off.
      if (served.open === 0) void this.#turns.take(o.vmId, async () => (served.open === 0 ? await end(served) : undefined)) // prettier-ignore
    })
    return connection
  }

  async fence(vmId: string, epoch: number): Promise<void> {
    const served = this.#of(vmId)
    if (served.daemon !== undefined) this.#logger.info({ vmId, epoch }, 'the disk of an earlier placement is closed')
    await end(served)
  }

  async readState(vmId: string): Promise<Uint8Array | undefined> {
    return await readFile(await this.#stateOf(vmId)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
  }

  async writeState(vmId: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomically(await this.#stateOf(vmId), bytes)
  }

  async remove(vmId: string): Promise<void> {
    await end(this.#of(vmId))
    this.#served.delete(vmId)
    await rm(join(this.#directory, vmId), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#served.values()].map(end))
  }

  #of(vmId: string): Served {
    const served = this.#served.get(vmId) ?? { open: 0 }
    this.#served.set(vmId, served)
    return served
  }

  async #directoryOf(vmId: string): Promise<string> {
    const directory = join(this.#directory, vmId)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return directory
  }

  async #stateOf(vmId: string): Promise<string> {
    return join(await this.#directoryOf(vmId), names.state)
  }
}

const sizeOf = async (path: string): Promise<number | undefined> =>
  await stat(path).then(
    ({ size }) => size,
    () => undefined,
  )

/** Sparse, in full length. */
async function lay(path: string, bytes: number): Promise<void> {
  if (((await sizeOf(path)) ?? 0) >= bytes) return
  const file = await open(path, 'a', 0o600)
  await file.truncate(bytes)
  await file.close()
}

/** @param o.socket name in the directory: a state directory may be longer than the 107 bytes of an address (unix(7)) */
const startDaemon = (o: { directory: string; disk: string; socket: string }): OwnedProcess =>
  startProgram({
    command: 'qemu-storage-daemon',
    args: [
      '--blockdev',
      `driver=file,node-name=disk,filename=${value(o.disk)},discard=unmap`,
      '--nbd-server',
      `addr.type=unix,addr.path=${value(o.socket)}`,
      '--export',
      'type=nbd,id=os,node-name=disk,name=os,writable=on',
    ],
    cwd: o.directory,
    confinement: hasLandlock() ? { opens: { write: [o.directory] } } : {},
    newSession: true,
    dieWithParent: true,
  })

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/** By the open directory, whose path in /proc is short. */
async function connected(directory: string, name: string): Promise<Socket> {
  const opened = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    const path = `/proc/self/fd/${opened.fd}/${name}`
    for (const until = Date.now() + listenMs; ; await sleep(20)) {
      const socket = connect({ path, allowHalfOpen: false })
      const failure = await new Promise<Error | undefined>((done) => {
        socket.once('connect', () => done(undefined))
        socket.once('error', done)
      })
      if (failure === undefined) return socket
      socket.destroy()
      if (Date.now() > until) throw failure
    }
  } finally {
    await opened.close()
  }
}

const runs = (daemon: OwnedProcess | undefined): boolean =>
  daemon !== undefined && daemon.child.exitCode === null && daemon.child.signalCode === null

async function end(served: Served): Promise<void> {
  const { daemon } = served
  if (daemon === undefined) return
  daemon.kill('SIGKILL')
  await daemon.exited
  delete served.daemon
}
