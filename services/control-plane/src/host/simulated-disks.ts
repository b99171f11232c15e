import { isDeepStrictEqual } from 'node:util'
import {
  storedImageId,
  type AttachedDisk,
  type ImageRecord,
  type StoredDiskSpec,
  type StoredDiskStatus,
} from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import type { Db, ResourceStore } from '../store/resources.ts'
import { insertIfAbsent } from '../store/rows.ts'
import { diskInUse } from './disk-in-use.ts'

/** Stored disks of the driver without guests: states and lengths, without content. Every one holds "the" system. */
export class SimulatedDisks {
  readonly #resources: ResourceStore
  readonly #clock: Clock
  readonly #image: ImageRecord

  constructor(resources: ResourceStore, clock: Clock, image: ImageRecord) {
    this.#resources = resources
    this.#clock = clock
    this.#image = image
  }

  async keep(spec: StoredDiskSpec): Promise<StoredDiskStatus> {
    const present = await this.#row(spec.id)
    if (present !== undefined) {
      if (isDeepStrictEqual(present.spec, spec)) return present.status
      throw new ServiceError({
        code: 'DiskExists',
        message: 'A disk with this id exists with a different specification.',
      })
    }
    const now = this.#clock.now().toISOString()
    const waits = spec.source.from === 'upload'
    const status: StoredDiskStatus = {
      id: spec.id,
      state: waits ? 'Uploading' : 'Succeeded',
      steps: [{ name: 'record (no disk is made)', startedAt: now, endedAt: now }],
      sizeBytes: await this.#lengthOf(spec),
      missing: [],
      ...(!waits && spec.source.from !== 'empty' && { image: this.#imageOf(spec) }),
    }
    const fresh = { id: spec.id, spec: JSON.stringify(spec), status: JSON.stringify(status) }
    await insertIfAbsent(this.#resources.db.insertInto('simulated_disk').values(fresh))
    return status
  }

  async find(id: string): Promise<StoredDiskStatus | undefined> {
    return (await this.#row(id))?.status
  }

  async remove(id: string): Promise<void> {
    await this.#resources.transaction(async (tx) => {
      const holder = (await this.#row(id, tx))?.status.attachedTo
      if (holder !== undefined) throw diskInUse(id, holder)
      await tx.deleteFrom('simulated_disk').where('id', '=', id).execute()
    })
  }

  /** Attaches and detaches as a host does (host: instances/data-disks.ts): complete disks, each for one VM. */
  async place(tx: Db, o: { vmId: string; before: AttachedDisk[]; wanted: AttachedDisk[] }): Promise<void> {
    const wanted = new Map(o.wanted.map((each) => [each.disk, each]))
    const ids = new Set([...wanted.keys(), ...o.before.map(({ disk }) => disk)])
    // In one order, so that two VMs exchanging disks do not wait for each other.
    for (const id of [...ids].toSorted()) {
      const row = await this.#row(id, tx)
      const disk = wanted.get(id)
      if (row === undefined && disk === undefined) continue
      if (row === undefined) throw missing(id)
      const { attachedTo, ...status } = row.status
      if (disk !== undefined && status.state !== 'Succeeded') throw notWhole(id, status.state)
      if (disk !== undefined && attachedTo !== undefined && attachedTo !== o.vmId) throw diskInUse(id, attachedTo)
      const sizeBytes = Math.max(status.sizeBytes, (disk?.sizeGiB ?? 0) * 2 ** 30)
      const held = { ...status, sizeBytes, ...(disk !== undefined && { attachedTo: o.vmId }) }
      await tx
        .updateTable('simulated_disk')
        .set({ status: JSON.stringify(held) })
        .where('id', '=', id)
        .execute()
    }
  }

  async finish(id: string): Promise<StoredDiskStatus> {
    const row = await this.#row(id)
    if (row === undefined) throw new ServiceError({ code: 'DiskNotFound', message: 'This host has no such disk.' })
    const status: StoredDiskStatus = { ...row.status, state: 'Succeeded', image: this.#imageOf(row.spec) }
    await this.#resources.db
      .updateTable('simulated_disk')
      .set({ status: JSON.stringify(status) })
      .where('id', '=', id)
      .execute()
    return status
  }

  async #lengthOf({ source }: StoredDiskSpec): Promise<number> {
    if (source.from === 'empty') return source.sizeGiB * 2 ** 30
    if (source.from === 'upload') return source.bytes
    if (source.from === 'disk') return (await this.#row(source.id))?.status.sizeBytes ?? this.#image.sizeBytes
    return this.#image.sizeBytes
  }

  #imageOf(spec: StoredDiskSpec): ImageRecord {
    const { guest } = spec
    return {
      ...this.#image,
      id: storedImageId(spec.id),
      name: spec.name,
      source: 'capture',
      builtAt: this.#clock.now().toISOString(),
      ...(guest !== undefined && { guestState: { encryption: guest.encryption, secureBoot: guest.secureBoot } }),
    }
  }

  /** @param tx locks the row until the transaction ends */
  async #row(id: string, tx?: Db): Promise<{ spec: StoredDiskSpec; status: StoredDiskStatus } | undefined> {
    const query = (tx ?? this.#resources.db).selectFrom('simulated_disk').selectAll().where('id', '=', id)
    const row = await (tx === undefined ? query : this.#resources.forUpdate(query)).executeTakeFirst()
    return row && { spec: JSON.parse(row.spec) as StoredDiskSpec, status: JSON.parse(row.status) as StoredDiskStatus }
  }
}

const missing = (disk: string): ServiceError =>
  new ServiceError({ code: 'DataDiskMissing', message: 'This host has no such disk.', found: disk })

const notWhole = (disk: string, state: string): ServiceError =>
  new ServiceError({
    code: 'DataDiskNotReady',
    message: `The data disk ${disk} is not ready.`,
    expected: 'Succeeded',
    found: state,
  })
