import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  hasLandlock,
  ServiceError,
  startProgram,
  writeFileAtomically,
  type Logger,
  type OwnedProcess,
} from '@strongroom/platform'
import { isVmId } from '../instances/layout.ts'
import { capacity } from '../vmgs/layout.ts'

/** How long the daemon may take to start listening, in milliseconds. */
const listenMs = 10_000

interface Stored {
  /** The highest known one. */
  epoch: number
  /** Serves this epoch's disk. */
  daemon?: OwnedProcess
  /** Connections to it. */
  open: number
  /** One thing at a time. */
  queue: Promise<unknown>
}

/**
 * OS disks and guest states of VMs that joined hosts carry, under STATE/fleet/{vmId}. A separate qemu-storage-daemon
 * serves each epoch's disk. A later epoch begins by ending that process: nothing can be written for the earlier one
 * afterwards.
 */
export class VmStorage {
  readonly #directory: string
  readonly #logger: Logger
  readonly #stored = new Map<string, Stored>()

  constructor(o: { stateDir: string; logger: Logger }) {
    this.#directory = join(o.stateDir, 'fleet')
    this.#logger = o.logger
  }

  /** NBD, for the export `os`. @throws ServiceError PlacementOver */
  async openDisk(o: { vmId: string; epoch: number; sizeGiB: number }): Promise<Socket> {
    return await this.#inTurn(o.vmId, async (stored) => {
      await this.#raise(o.vmId, stored, o.epoch)
      const directory = await this.#directoryOf(o.vmId)
      const socket = join(directory, `${o.epoch}.sock`)
      if (!runs(stored.daemon)) {
        const disk = join(directory, 'os-disk.raw')
        await lay(disk, o.sizeGiB * 2 ** 30)
        await rm(socket, { force: true })
        stored.daemon = startDaemon({ directory, disk, socket })
      }
      const connection = await connected(socket)
      const at = { vmId: o.vmId, epoch: o.epoch }
      this.#logger.info(at, 'a disk was opened')
      stored.open += 1
      connection.once('close', () => {
        this.#logger.info({ ...at, bytes: connection.bytesWritten }, 'a disk was closed')
        stored.open -= 1
        // No process remains for a VM that is off.
        if (stored.open === 0) void this.#inTurn(o.vmId, async (now) => (now.open === 0 ? await end(now) : undefined))
      })
      return connection
    })
  }

  async readState(o: { vmId: string; epoch: number }): Promise<Uint8Array | undefined> {
    return await this.#inTurn(o.vmId, async (stored) => {
      await this.#raise(o.vmId, stored, o.epoch)
      return await readFile(await this.#stateOf(o.vmId)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
    })
  }

  async writeState(o: { vmId: string; epoch: number; bytes: Uint8Array }): Promise<void> {
    if (o.bytes.length !== capacity) throw noState(o.bytes.length)
    await this.#inTurn(o.vmId, async (stored) => {
      await this.#raise(o.vmId, stored, o.epoch)
      await writeFileAtomically(await this.#stateOf(o.vmId), o.bytes)
    })
  }

  async fence(vmId: string, epoch: number): Promise<void> {
    await this.#inTurn(vmId, async (stored) => await this.#raise(vmId, stored, epoch))
  }

  async remove(vmId: string): Promise<void> {
    await this.#inTurn(vmId, async (stored) => {
      await end(stored)
      await rm(join(this.#directory, vmId), { recursive: true, force: true })
    })
    this.#stored.delete(vmId)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stored.values()].map(end))
  }

  async #raise(vmId: string, stored: Stored, epoch: number): Promise<void> {
    if (!Number.isSafeInteger(epoch) || epoch < stored.epoch) throw over(vmId, epoch, stored.epoch)
    if (epoch === stored.epoch) return
    stored.epoch = epoch
    if (stored.daemon !== undefined) this.#logger.info({ vmId, epoch }, 'the disk of an earlier placement is closed')
    await end(stored)
  }

  async #inTurn<T>(vmId: string, work: (stored: Stored) => Promise<T>): Promise<T> {
    if (!isVmId(vmId)) throw new TypeError('not a VM id')
    const stored = this.#stored.get(vmId) ?? { epoch: 0, open: 0, queue: Promise.resolve() }
    this.#stored.set(vmId, stored)
    const done = stored.queue.then(() => work(stored))
    stored.queue = done.catch(() => {})
    return await done
  }

  async #directoryOf(vmId: string): Promise<string> {
    const directory = join(this.#directory, vmId)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return directory
  }

  async #stateOf(vmId: string): Promise<string> {
    return join(await this.#directoryOf(vmId), 'guest-state.vmgs')
  }
}

/** Sparse, in full length. */
async function lay(path: string, bytes: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (size >= bytes) return
  const file = await open(path, 'a', 0o600)
  await file.truncate(bytes)
  await file.close()
}

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
    confinement: hasLandlock() ? { opens: { write: [o.directory] } } : {},
    newSession: true,
    dieWithParent: true,
  })

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

async function connected(path: string): Promise<Socket> {
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
}

const runs = (daemon: OwnedProcess | undefined): boolean =>
  daemon !== undefined && daemon.child.exitCode === null && daemon.child.signalCode === null

async function end(stored: Stored): Promise<void> {
  const { daemon } = stored
  if (daemon === undefined) return
  daemon.kill('SIGKILL')
  await daemon.exited
  delete stored.daemon
}

const over = (vmId: string, epoch: number, now: number): ServiceError =>
  new ServiceError({
    code: 'PlacementOver',
    message:
      'The virtual machine has a newer placement: earlier placements no longer have access to its disk and guest state.',
    target: vmId,
    expected: `epoch ${now}`,
    found: `epoch ${epoch}`,
  })

const noState = (bytes: number): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: 'What the host sent is not a guest state.',
    target: 'bytes',
    expected: `${capacity} bytes`,
    found: `${bytes} bytes`,
  })
