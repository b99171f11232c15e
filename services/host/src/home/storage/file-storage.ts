import { constants, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasLandlock, startProgram, writeFileAtomically, type Logger, type OwnedProcess } from '@strongroom/platform'
import { diskInUse } from '../../instances/data-disks.ts'
import { requireAttachable } from '../../disks/stored/attachable.ts'
import type { DataDisk, StorageBackend, VmDisk } from './storage-backend.ts'
import type { Turns } from './turns.ts'

/** How long the daemon may take to start listening, in milliseconds. */
const listenMs = 10_000
const names = { disk: 'os-disk.raw', state: 'guest-state.vmgs' }
/** Of data disks' sockets, in the VM's directory. */
const socketsName = 'd'
/** Among a VM's disks: the one without an id. */
const osDisk = ''

/** A socket by its name in a directory: a state directory may be longer than the 107 bytes of an address (unix(7)). */
interface SocketAt {
  directory: string
  socket: string
}

interface Served {
  /** Serves the present epoch. */
  daemon?: OwnedProcess
  /** The daemon's. */
  at: SocketAt
  /** Connections to it. */
  open: number
}

/**
 * Files of the server: OS disks in STATE/fleet, data disks in STATE/disks. A separate qemu-storage-daemon serves each
 * disk at each epoch. A later epoch begins by ending those processes: nothing can be written for the earlier one
 * afterwards.
 */
export class FileStorage implements StorageBackend {
  readonly #stateDir: string
  readonly #directory: string
  readonly #turns: Turns
  readonly #logger: Logger
  /** By VM and disk. */
  readonly #served = new Map<string, Map<string, Served>>()
  #sockets = 0

  /** @param o.directory of the VMs @param o.turns the caller's, for work between its calls */
  constructor(o: { stateDir: string; directory: string; turns: Turns; logger: Logger }) {
    this.#stateDir = o.stateDir
    this.#directory = o.directory
    this.#turns = o.turns
    this.#logger = o.logger
  }

  async has(vmId: string): Promise<boolean> {
    const found = await Promise.all(
      Object.values(names).map(async (name) => await sizeOf(join(this.#directory, vmId, name))),
    )
    return found.some((size) => size !== undefined)
  }

  async prepare(disk: DataDisk): Promise<void> {
    await requireAttachable(this.#stateDir, disk)
  }

  /**
   * NBD, for the export `os` or `data`, at the epoch that the fence has last been given.
   * @throws ServiceError DataDiskInUse, DataDiskMissing, DataDiskNotReady
   */
  async openDisk(o: { vmId: string; epoch: number; disk: VmDisk }): Promise<Socket> {
    const served = this.#of(o.vmId, o.disk.id ?? osDisk)
    if (!runs(served.daemon)) await this.#serve(served, o)
    const connection = await connected(served.at)
    const { id: disk } = o.disk
    const at = { vmId: o.vmId, epoch: o.epoch, ...(disk !== undefined && { disk }) }
    this.#logger.info(at, 'a disk was opened')
    served.open += 1
    connection.once('close', () => {
      this.#logger.info({ ...at, bytes: connection.bytesWritten }, 'a disk was closed')
      served.open -= 1
      // No process remains for a VM that is off.
      if (served.open === 0)
        void this.#turns.take(o.vmId, async () => (served.open === 0 ? await end(served) : undefined))
    })
    return connection
  }

  async #serve(served: Served, { vmId, epoch, disk }: { vmId: string; epoch: number; disk: VmDisk }): Promise<void> {
    const directory = await this.#directoryOf(vmId)
    // A data disk's process cannot open the OS disk, nor another data disk.
    const sockets = disk.id === undefined ? directory : join(directory, socketsName)
    const path =
      disk.id === undefined
        ? join(directory, names.disk)
        : await requireAttachable(this.#stateDir, { disk: disk.id, sizeGiB: disk.sizeGiB })
    if (disk.id === undefined) await lay(path, disk.sizeGiB * 2 ** 30)
    await mkdir(sockets, { recursive: true, mode: 0o700 })
    const socket = disk.id === undefined ? `${epoch}.sock` : `${epoch}.${this.#sockets++}`
    served.at = { directory: sockets, socket }
    await rm(join(sockets, socket), { force: true })
    // The kernel's locks keep guests of this host away, not another such process.
    if (disk.id !== undefined) this.#requireOnly(vmId, disk.id)
    served.daemon = startDaemon({ disk: path, at: served.at, name: disk.id === undefined ? 'os' : 'data' })
  }

  #requireOnly(vmId: string, disk: string): void {
    for (const [other, disks] of this.#served)
      if (other !== vmId && runs(disks.get(disk)?.daemon)) throw diskInUse(disk, other)
  }

  async fence(vmId: string, epoch: number): Promise<void> {
    const disks = this.#disksOf(vmId)
    if (disks.some(({ daemon }) => daemon !== undefined))
      this.#logger.info({ vmId, epoch }, 'the disks of an earlier placement are closed')
    await Promise.all(disks.map(end))
  }

  async release(vmId: string, disk: string): Promise<void> {
    const disks = this.#served.get(vmId)
    const served = disks?.get(disk)
    if (served !== undefined) await end(served)
    disks?.delete(disk)
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
    await Promise.all(this.#disksOf(vmId).map(end))
    this.#served.delete(vmId)
    await rm(join(this.#directory, vmId), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#served.keys()].flatMap((vmId) => this.#disksOf(vmId)).map(end))
  }

  #disksOf(vmId: string): Served[] {
    return [...(this.#served.get(vmId)?.values() ?? [])]
  }

  #of(vmId: string, disk: string): Served {
    const disks = this.#served.get(vmId) ?? new Map<string, Served>()
    this.#served.set(vmId, disks)
    const served = disks.get(disk) ?? { open: 0, at: { directory: '', socket: '' } }
    disks.set(disk, served)
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

const startDaemon = (o: { disk: string; at: SocketAt; name: 'os' | 'data' }): OwnedProcess =>
  startProgram({
    command: 'qemu-storage-daemon',
    args: [
      '--blockdev',
      `driver=file,node-name=disk,filename=${value(o.disk)},discard=unmap`,
      '--nbd-server',
      `addr.type=unix,addr.path=${value(o.at.socket)}`,
      '--export',
      `type=nbd,id=${o.name},node-name=disk,name=${o.name},writable=on`,
    ],
    cwd: o.at.directory,
    confinement: hasLandlock() ? { opens: { write: [o.disk, o.at.directory] } } : {},
    newSession: true,
    dieWithParent: true,
  })

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/** By the open directory, whose path in /proc is short. */
async function connected({ directory, socket: name }: SocketAt): Promise<Socket> {
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
