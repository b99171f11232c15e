import { mkdir, readFile, rm } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { join } from 'node:path'
import type { CarriedDiskAnswer } from '@strongroom/contract'
import { ServiceError, writeFileAtomically, type Logger } from '@strongroom/platform'
import { isVmId } from '../records/layout.ts'
import { capacity } from '@strongroom/paravisor/guest-state'
import type { CephStorage } from './ceph/ceph-storage.ts'
import { elsewhere, isPooled } from './ceph/pooled-disks.ts'
import { FileStorage } from './storage/file-storage.ts'
import { placementOver, type DataDisk, type VmDisk } from './storage/storage-backend.ts'
import { Turns } from './storage/turns.ts'

interface Stored {
  /** The highest known one. */
  epoch: number
  backend: FileStorage | CephStorage
}

/** A disk that a VM's host asks for, at an epoch. */
interface AskedDisk {
  vmId: string
  epoch: number
  /** Undefined if it has no such disk. */
  which(): Promise<VmDisk | undefined>
}

/** In STATE/fleet/{vmId}: names the pool in which the VM's data are. Without it, they are in that directory. */
const marker = 'ceph.json'

/**
 * Disks and guest states of VMs that joined hosts carry: in STATE/fleet/{vmId} and, of data disks, STATE/disks, or in a
 * Ceph pool. A VM's stay where it was created, and its data disks are with them.
 */
export class VmStorage {
  readonly #stateDir: string
  readonly #directory: string
  readonly #files: FileStorage
  readonly #ceph: CephStorage | undefined
  readonly #stored = new Map<string, Stored>()
  readonly #turns = new Turns()

  constructor(o: { stateDir: string; logger: Logger; ceph?: CephStorage | undefined }) {
    this.#stateDir = o.stateDir
    this.#directory = join(o.stateDir, 'fleet')
    this.#ceph = o.ceph
    this.#files = new FileStorage({ ...o, directory: this.#directory, turns: this.#turns })
  }

  /**
   * Where the host finds the disk, with access to it.
   * @param o.which asked in the VM's turn: a data disk that was released by then is not served
   * @param o.opened it has opened it there
   * @throws ServiceError PlacementOver, DiskNotFound
   */
  async disk(o: AskedDisk & { opened: boolean }): Promise<CarriedDiskAnswer> {
    const { vmId, epoch } = o
    return await this.#at(o, async (backend) => {
      const disk = await theDisk(o)
      if (backend instanceof FileStorage) {
        if (disk.id !== undefined) await backend.prepare({ disk: disk.id, sizeGiB: disk.sizeGiB })
        return {}
      }
      if (!o.opened) return { ceph: await backend.access({ vmId, epoch, disk }) }
      await backend.confirm({ vmId, epoch, disk })
      return {}
    })
  }

  /** NBD, for the export `os` or `data`. @param o.which see `disk` @throws ServiceError PlacementOver, DiskNotFound */
  async openDisk(o: AskedDisk): Promise<Duplex> {
    const { vmId, epoch } = o
    return await this.#at(o, async (backend) => {
      if (backend instanceof FileStorage) return await backend.openDisk({ vmId, epoch, disk: await theDisk(o) })
      throw new ServiceError({
        code: 'FleetStorageOther',
        message: 'The disk of this virtual machine is in a Ceph pool, which its host opens itself.',
        target: vmId,
        remedy: 'Run the same version of Strongroom on the host as on the server.',
      })
    })
  }

  /**
   * Before a data disk is attached to the VM: it is where the VM's host reaches it. It may take as long as copying it.
   * @throws ServiceError DataDiskMissing, DataDiskNotReady, FleetStorageOther, StorageUnavailable
   */
  async prepareDisk(vmId: string, disk: DataDisk): Promise<void> {
    const { backend } = await this.#inTurn(vmId, async () => await this.#of(vmId))
    await backend.prepare(disk)
  }

  /** Resolves once nothing can be written to the data disk for the VM. Idempotent. */
  async releaseDisk(vmId: string, disk: string): Promise<void> {
    await this.#inTurn(vmId, async () => await (await this.#of(vmId)).backend.release(vmId, disk))
  }

  /** Whether the content of a data disk is in a Ceph pool. */
  async isPooled(disk: string): Promise<boolean> {
    return await isPooled(this.#stateDir, disk)
  }

  /** What is in a Ceph pool of a data disk that no VM has. Idempotent. */
  async removePooled(disk: string): Promise<void> {
    if (!(await this.isPooled(disk))) return
    if (this.#ceph === undefined) throw elsewhere(disk, 'its pool', 'no --fleet-storage')
    await this.#ceph.removeDisk(disk)
  }

  async readState(o: { vmId: string; epoch: number }): Promise<Uint8Array | undefined> {
    return await this.#at(o, async (backend) => await backend.readState(o.vmId))
  }

  async writeState(o: { vmId: string; epoch: number; bytes: Uint8Array }): Promise<void> {
    if (o.bytes.length !== capacity) throw noState(o.bytes.length)
    await this.#at(o, async (backend) => await backend.writeState(o.vmId, o.bytes))
  }

  async fence(vmId: string, epoch: number): Promise<void> {
    await this.#at({ vmId, epoch }, async () => await Promise.resolve())
  }

  async remove(vmId: string): Promise<void> {
    await this.#inTurn(vmId, async () => {
      await (await this.#of(vmId)).backend.remove(vmId)
      // The marker.
      await rm(join(this.#directory, vmId), { recursive: true, force: true })
      this.#stored.delete(vmId)
    })
  }

  async close(): Promise<void> {
    await this.#files.close()
    await this.#ceph?.close()
  }

  /** In the VM's turn, once nothing of an earlier epoch is open. */
  async #at<T>(
    { vmId, epoch }: { vmId: string; epoch: number },
    work: (backend: Stored['backend']) => Promise<T>,
  ): Promise<T> {
    return await this.#inTurn(vmId, async () => {
      const stored = await this.#of(vmId)
      if (!Number.isSafeInteger(epoch) || epoch < stored.epoch) throw placementOver({ vmId, epoch, now: stored.epoch })
      if (epoch > stored.epoch) await stored.backend.fence(vmId, epoch)
      stored.epoch = epoch
      return await work(stored.backend)
    })
  }

  async #inTurn<T>(vmId: string, work: () => Promise<T>): Promise<T> {
    if (!isVmId(vmId)) throw new TypeError('not a VM id')
    return await this.#turns.take(vmId, work)
  }

  async #of(vmId: string): Promise<Stored> {
    const known = this.#stored.get(vmId)
    if (known !== undefined) return known
    const stored = { epoch: 0, backend: await this.#backendOf(vmId) }
    this.#stored.set(vmId, stored)
    return stored
  }

  /** @throws ServiceError FleetStorageOther: an empty disk in another place must not pass for the VM's */
  async #backendOf(vmId: string): Promise<Stored['backend']> {
    const path = join(this.#directory, vmId, marker)
    const kept = await readFile(path, 'utf8').catch(() => undefined)
    const ceph = this.#ceph
    if (kept === undefined && (ceph === undefined || (await this.#files.has(vmId)))) return this.#files
    const here = ceph && JSON.stringify(await ceph.place())
    if (ceph === undefined || here === undefined || (kept !== undefined && kept !== here))
      throw vmElsewhere(vmId, kept, here)
    if (kept !== undefined) return ceph
    await mkdir(join(this.#directory, vmId), { recursive: true, mode: 0o700 })
    await writeFileAtomically(path, here)
    return ceph
  }
}

async function theDisk(o: AskedDisk): Promise<VmDisk> {
  const disk = await o.which()
  if (disk !== undefined) return disk
  throw new ServiceError({
    code: 'DiskNotFound',
    message: 'The virtual machine has no such data disk.',
    target: o.vmId,
    expected: 'a disk in the host’s current orders',
  })
}

const vmElsewhere = (vmId: string, kept: string | undefined, here: string | undefined): ServiceError =>
  new ServiceError({
    code: 'FleetStorageOther',
    message: 'The virtual machine’s disk is in a Ceph pool that this server is not configured for.',
    target: vmId,
    expected: kept ?? 'its pool',
    found: here ?? 'no --fleet-storage',
    remedy: 'Start the server with the --fleet-storage that the virtual machine was created with.',
  })

const noState = (bytes: number): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: 'What the host sent is not a guest state.',
    target: 'bytes',
    expected: `${capacity} bytes`,
    found: `${bytes} bytes`,
  })
