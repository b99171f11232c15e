import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CarriedStateAnswer } from '@strongroom/contract'
import { run, ServiceError } from '@strongroom/platform'
import { giveTo } from '../../confinement/vm-user.ts'
import type { DiskDriver } from '../../disks/disk-driver.ts'
import { openDoor } from '../../network/door.ts'
import type { FetchedImages } from './fetched-images.ts'
import { openFleetStream } from './fleet-stream.ts'
import { streamDoor } from './stream-door.ts'
import type { VmPeer } from './vm-peer.ts'

/**
 * Disks behind NBD, and guest states in the control plane's storage, through the fleet's wire: the host's certificate
 * identifies the caller, and the epoch decides what may be opened. Nothing that the VM's next host needs is on this
 * machine.
 */
export class PeerDisks implements DiskDriver {
  readonly #peer: VmPeer
  readonly #images: FetchedImages
  #isOver = false

  constructor(peer: VmPeer, images: FetchedImages) {
    this.#peer = peer
    this.#images = images
  }

  /** Nothing more is written for this placement, whatever is under way. */
  close(): void {
    this.#isOver = true
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
    const socket = join(files.directory, 'nbd')
    const door = this.#door()
    await openDoor(door.server, socket)
    try {
      const target = `driver=nbd,server.type=unix,server.path=${socket.replaceAll(',', ',,')},export=os`
      await run({
        command: 'qemu-img',
        args: ['convert', '-n', '--target-is-zero', '-f', 'raw', '--target-image-opts', files.disk, target],
        signal,
        timeoutMs: 1_800_000,
      })
    } finally {
      await door.close()
    }
    await rm(files.disk)
    await this.writeState(spec.vmId, await readFile(files.guestState))
  }

  readonly open: DiskDriver['open'] = async (_spec, _files, { runtimeDir, user }) => {
    const socket = join(runtimeDir, 'os-disk')
    const door = this.#door()
    await openDoor(door.server, socket)
    await giveTo(socket, user)
    return { disk: { nbd: socket }, close: async () => await door.close() }
  }

  readonly writeState = async (_vmId: string, bytes: Uint8Array): Promise<void> => {
    if (this.#isOver) throw new ServiceError({ code: 'PlacementOver', message: 'The virtual machine is no longer placed on this host.' }) // prettier-ignore
    await this.#peer.post('/state', { bytes: Buffer.from(bytes).toString('base64') })
  }

  #door(): ReturnType<typeof streamDoor> {
    const { vmId, epoch } = this.#peer
    return streamDoor(async () => {
      if (this.#isOver) throw new Error('the placement is over')
      return await openFleetStream(this.#peer.identity(), `/disk/${vmId}/${epoch}`)
    })
  }
}
