import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CarriedDiskAnswer, CarriedStateAnswer, CephDisk } from '@strongroom/contract'
import { run, ServiceError, giveTo } from '@strongroom/platform'
import type { DiskDriver, DiskPlace, OpenDisk } from '../../disks/disk-driver.ts'
import { openDoor } from '../../network/doors/door.ts'
import { CephDoor } from './ceph-door.ts'
import type { FetchedImages } from './fetched-images.ts'
import { openFleetStream } from './fleet-stream.ts'
import { streamDoor } from './stream-door.ts'
import type { VmPeer } from './vm-peer.ts'

/** How long the storage may take to close what was open before, in milliseconds. */
const diskMs = 120_000

/** A disk of the VM, by its export's name. */
type Which = { name: 'os' } | { name: 'data'; lun: number; disk: string }
const askOf = (which: Which): { disk?: string } => (which.name === 'os' ? {} : { disk: which.disk })

/** A disk behind a socket of this machine. */
interface Attached {
  socket: string
  close(): Promise<void>
}

/**
 * Disks behind NBD through the fleet's wire, or in Ceph; guest states in the control plane's storage. The host's
 * certificate identifies the caller, and the epoch decides what may be opened. Nothing that the VM's next host needs is
 * on this machine.
 */
export class PeerDisks implements DiskDriver {
  readonly #peer: VmPeer
  readonly #images: FetchedImages
  readonly #open = new Set<CephDoor>()
  #isOver = false

  constructor(peer: VmPeer, images: FetchedImages) {
    this.#peer = peer
    this.#images = images
  }

  /** Nothing more is written for this placement, whatever is under way. */
  close(): void {
    this.#isOver = true
    for (const door of this.#open) door.kill()
  }

  readonly fetchImage: DiskDriver['fetchImage'] = async (spec, signal) =>
    await this.#images.ensure(this.#peer.identity(), spec.image, signal)

  readonly fetchState: DiskDriver['fetchState'] = async (_spec, files) => {
    const { bytes } = await this.#peer.post<CarriedStateAnswer>('/state', {})
    await mkdir(files.directory, { recursive: true, mode: 0o700 })
    if (bytes === undefined) return
    await rm(files.guestState, { force: true })
    await writeFile(files.guestState, Buffer.from(bytes, 'base64'), { mode: 0o600 })
  }

  readonly keep: DiskDriver['keep'] = async (spec, files, signal) => {
    const attached = await this.#attach({ path: join(files.directory, 'nbd'), user: undefined, name: 'os' })
    try {
      const target = `driver=nbd,server.type=unix,server.path=${attached.socket.replaceAll(',', ',,')},export=os`
      await run({
        command: 'qemu-img',
        args: ['convert', '-n', '--target-is-zero', '-f', 'raw', '--target-image-opts', files.disk, target],
        signal,
        timeoutMs: 1_800_000,
      })
    } finally {
      await attached.close()
    }
    await rm(files.disk)
    await this.writeState(spec.vmId, await readFile(files.guestState))
  }

  readonly open: DiskDriver['open'] = async (_spec, _files, at) => await this.#opened(at, { name: 'os' })

  /** The storage says whether it is there, when it is opened. */
  readonly requireData: DiskDriver['requireData'] = async () => await Promise.resolve()

  /** An export has the size that it was opened with. */
  readonly growsAttached = false

  readonly openData: DiskDriver['openData'] = async (_stateDir, { lun, disk }, at) =>
    await this.#opened(at, { name: 'data', lun, disk })

  readonly writeState = async (_vmId: string, bytes: Uint8Array): Promise<void> => {
    if (this.#isOver) throw over()
    await this.#peer.post('/state', { bytes: Buffer.from(bytes).toString('base64') })
  }

  async #opened({ runtimeDir, user }: DiskPlace, which: Which): Promise<OpenDisk> {
    const file = which.name === 'os' ? 'os-disk' : `data-${which.lun}`
    const attached = await this.#attach({ ...which, path: join(runtimeDir, file), user })
    return { disk: { nbd: attached.socket }, close: async () => await attached.close() }
  }

  /** @param o.path of the socket, where the disk is behind the fleet's wire @param o.user who may connect, besides this process's */
  async #attach(o: Which & { path: string; user: number | undefined }): Promise<Attached> {
    const { ceph } = await this.#peer.post<CarriedDiskAnswer>('/disk', askOf(o), diskMs)
    if (ceph !== undefined) return await this.#attachCeph(ceph, o)
    const door = this.#door(o)
    await openDoor(door.server, o.path)
    await giveTo(o.path, o.user)
    return { socket: o.path, close: async () => await door.close() }
  }

  /** The guest gets the disk once the control plane knows by which connection it is open: only then can the fence close it. */
  async #attachCeph(disk: CephDisk, o: Which & { user: number | undefined }): Promise<Attached> {
    const door = await CephDoor.open({ vmId: this.#peer.vmId, disk, user: o.user, name: o.name })
    this.#open.add(door)
    const close = async (): Promise<void> => {
      this.#open.delete(door)
      await door.close()
    }
    try {
      if (this.#isOver) throw over()
      await this.#peer.post('/disk', { ...askOf(o), opened: true }, diskMs)
      return { socket: door.socket, close }
    } catch (error) {
      door.kill()
      await close()
      throw error
    }
  }

  #door(which: Which): ReturnType<typeof streamDoor> {
    const { vmId, epoch } = this.#peer
    return streamDoor(async () => {
      if (this.#isOver) throw new Error('the placement is over')
      return await openFleetStream(
        this.#peer.identity(),
        `/disk/${vmId}/${epoch}${which.name === 'os' ? '' : `/${which.disk}`}`,
      )
    })
  }
}

const over = (): ServiceError =>
  new ServiceError({ code: 'PlacementOver', message: 'The virtual machine is no longer placed on this host.' })
