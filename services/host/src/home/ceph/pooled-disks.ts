import { readFile, rm } from 'node:fs/promises'
import { ServiceError, writeFileAtomically } from '@strongroom/platform'
import { missingDisk, requireAttachable } from '../../disks/stored/attachable.ts'
import { storedFiles } from '../../disks/stored/record.ts'
import type { DataDisk } from '../storage/storage-backend.ts'
import { Turns } from '../storage/turns.ts'
import type { CephCluster } from './ceph-cluster.ts'

export const dataImage = 'data-disk'

/** Whether a data disk's content is in a Ceph pool: its record names which. */
export async function isPooled(stateDir: string, disk: string): Promise<boolean> {
  return (await poolOf(stateDir, disk)) !== undefined
}

/**
 * Data disks in a Ceph pool, each an RBD image in a namespace of its own. A disk is made in a file of the server; when
 * it is first attached to a VM whose OS disk is in the pool, its content moves there, and stays.
 */
export class PooledDisks {
  readonly #stateDir: string
  readonly #cluster: CephCluster
  readonly #turns = new Turns()

  constructor(o: { stateDir: string; cluster: CephCluster }) {
    this.#stateDir = o.stateDir
    this.#cluster = o.cluster
  }

  /** @throws ServiceError DataDiskMissing, DataDiskNotReady, FleetStorageOther, StorageUnavailable */
  async require({ disk, sizeGiB }: DataDisk): Promise<void> {
    await this.#turns.take(disk, async () => {
      const here = await this.#here()
      const pool = await poolOf(this.#stateDir, disk)
      if (pool !== undefined && pool !== here) throw elsewhere(disk, pool, here)
      const image = { namespace: disk, image: dataImage, bytes: sizeGiB * 2 ** 30 }
      if (pool === undefined) {
        const path = await requireAttachable(this.#stateDir, { disk, sizeGiB })
        await this.#cluster.fill({ ...image, path })
        await writeFileAtomically(storedFiles(this.#stateDir, disk).pool, here)
      } else if (!(await this.#cluster.grow(image))) throw missingDisk(disk)
      // A file that an earlier attempt has left, too: the pool's content counts.
      await rm(storedFiles(this.#stateDir, disk).disk, { force: true })
    })
  }

  /** Idempotent. */
  async remove(disk: string): Promise<void> {
    await this.#turns.take(disk, async () => {
      const pool = await poolOf(this.#stateDir, disk)
      if (pool === undefined) return
      const here = await this.#here()
      if (pool !== here) throw elsewhere(disk, pool, here)
      await this.#cluster.destroy({ namespace: disk, image: dataImage })
    })
  }

  async #here(): Promise<string> {
    return JSON.stringify({ fsid: (await this.#cluster.identity()).fsid, pool: this.#cluster.pool })
  }
}

async function poolOf(stateDir: string, disk: string): Promise<string | undefined> {
  return await readFile(storedFiles(stateDir, disk).pool, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

export const elsewhere = (disk: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'FleetStorageOther',
    message: 'The data disk is in a Ceph pool that this server is not configured for.',
    target: disk,
    expected,
    found,
    remedy: 'Start the server with the --fleet-storage that the disk was first attached with.',
  })
