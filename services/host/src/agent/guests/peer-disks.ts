import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CarriedDiskAnswer, CarriedStateAnswer, CephDisk } from '@strongroom/contract'
import { run, ServiceError } from '@strongroom/platform'
import { giveTo } from '../../confinement/vm-user.ts'
import type { DiskDriver } from '../../disks/disk-driver.ts'
import { openDoor } from '../../network/door.ts'
import { CephDoor } from './ceph-door.ts'
import type { FetchedImages } from './fetched-images.ts'
import { openFleetStream } from './fleet-stream.ts'
import { streamDoor } from './stream-door.ts'
import type { VmPeer } from './vm-peer.ts'

/** How long the storage may take to close what was open before, in milliseconds. */
const diskMs = 120_000

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
    const attached = await this.#attach({ path: join(files.directory, 'nbd'), user: undefined })
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

  readonly open: DiskDriver['open'] = async (_spec, _files, { runtimeDir, user }) => {
    const attached = await this.#attach({ path: join(runtimeDir, 'os-disk'), user })
    return { disk: { nbd: attached.socket }, close: async () => await attached.close() }
  }

  readonly writeState = async (_vmId: string, bytes: Uint8Array): Promise<void> => {
    if (this.#isOver) throw over()
    await this.#peer.post('/state', { bytes: Buffer.from(bytes).toString('base64') })
  }

  /** @param o.path of the socket, where the disk is behind the fleet's wire @param o.user who may connect, besides this process's */
  async #attach(o: { path: string; user: number | undefined }): Promise<Attached> {
    const { ceph } = await this.#peer.post<CarriedDiskAnswer>('/disk', {}, diskMs)
    if (ceph !== undefined) return await this.#attachCeph(ceph, o.user)
    const door = this.#door()
    await openDoor(door.server, o.path)
    await giveTo(o.path, o.user)
    return { socket: o.path, close: async () => await door.close() }
  }

  /** The guest gets the disk once the control plane knows by which connection it is open: only then can the fence close it. */
  async #attachCeph(disk: CephDisk, user: number | undefined): Promise<Attached> {
    const door = await CephDoor.open({ vmId: this.#peer.vmId, disk, user })
    this.#open.add(door)
    const close = async (): Promise<void> => {
      this.#open.delete(door)
      await door.close()
    }
    try {
      if (this.#isOver) throw over()
      await this.#peer.post('/disk', { opened: true }, diskMs)
      return { socket: door.socket, close }
    } catch (error) {
      door.kill()
      await close()
      throw error
    }
  }

  #door(): ReturnType<typeof streamDoor> {
    const { vmId, epoch } = this.#peer
    return streamDoor(async () => {
      if (this.#isOver) throw new Error('the placement is over')
      return await openFleetStream(this.#peer.identity(), `/disk/${vmId}/${epoch}`)
    })
  }
}

const over = (): ServiceError =>
  new ServiceError({ code: 'PlacementOver', message: 'The virtual machine is no longer placed on this host.' })
