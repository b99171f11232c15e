import type { AttachedDisk } from '@strongroom/contract'
import { forUpdate, type Store } from '@strongroom/platform'
import { diskInUse } from '../../host/disk-in-use.ts'
import type { Db } from '../../store/resources.ts'
import type { CarriedVms } from './carried-vms.ts'

/** The data disks of guests that joined hosts carry, in the control plane's store. A disk has one VM. */
export class CarriedDisks {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get #db(): Db {
    return this.#store.db as Db
  }

  /** Of its next boot, by LUN; its host may open these and no others. */
  async of(vmId: string): Promise<AttachedDisk[]> {
    const rows = await this.#db.selectFrom('carried_disk').selectAll().where('vm_id', '=', vmId).execute()
    return rows
      .filter(({ leaving }) => leaving === 0)
      .map(({ attached }) => JSON.parse(attached) as AttachedDisk)
      .toSorted((a, b) => a.lun - b.lun)
  }

  /** The VM that has the disk, or from which it is being detached. */
  async holderOf(disk: string): Promise<string | undefined> {
    const row = await this.#db.selectFrom('carried_disk').select('vm_id').where('disk', '=', disk).executeTakeFirst()
    return row?.vm_id
  }

  /**
   * Makes exactly these the VM's. Its others are still not free for other VMs: `free` makes them so.
   * @returns the others @throws ServiceError DataDiskInUse
   */
  async set(vmId: string, disks: readonly AttachedDisk[]): Promise<string[]> {
    return await this.#store.transaction(async (given) => {
      const tx = given as Db
      const own = tx.selectFrom('carried_disk').selectAll().where('vm_id', '=', vmId)
      const before = await forUpdate(this.#store, own).execute()
      for (const disk of disks) await this.#take(tx, vmId, disk)
      const leaving = before.map(({ disk }) => disk).filter((id) => !disks.some(({ disk }) => disk === id))
      if (leaving.length > 0)
        await tx.updateTable('carried_disk').set({ leaving: 1 }).where('disk', 'in', leaving).execute()
      return leaving
    })
  }

  /** Nothing can be written to it for the VM any more. Idempotent. */
  async free(vmId: string, disk: string): Promise<void> {
    await this.#db
      .deleteFrom('carried_disk')
      .where('disk', '=', disk)
      .where('vm_id', '=', vmId)
      .where('leaving', '=', 1)
      .execute()
  }

  /** For a deleted VM, of which nothing can be written any more. */
  async freeAll(vmId: string): Promise<void> {
    await this.#db.deleteFrom('carried_disk').where('vm_id', '=', vmId).execute()
  }

  async #take(tx: Db, vmId: string, attached: AttachedDisk): Promise<void> {
    const { disk } = attached
    const row = { disk, vm_id: vmId, attached: JSON.stringify(attached), leaving: 0 }
    await tx
      .insertInto('carried_disk')
      .values(row)
      .onConflict((conflict) => conflict.column('disk').doNothing())
      .execute()
    const taken = await tx
      .updateTable('carried_disk')
      .set(row)
      .where('disk', '=', disk)
      .where('vm_id', '=', vmId)
      .executeTakeFirst()
    if (taken.numUpdatedRows > 0n) return
    const holder = await tx.selectFrom('carried_disk').select('vm_id').where('disk', '=', disk).executeTakeFirst()
    throw diskInUse(disk, holder?.vm_id ?? '')
  }
}

/** A disk that a VM's host asks for: the OS disk, or a data disk by its id. Undefined if the VM has no such one. */
export async function diskOf(
  o: { vms: Pick<CarriedVms, 'diskGiB'>; disks: CarriedDisks },
  vmId: string,
  id: string | undefined,
): Promise<{ id?: string; sizeGiB: number } | undefined> {
  if (id === undefined) return { sizeGiB: await o.vms.diskGiB(vmId) }
  const attached = (await o.disks.of(vmId)).find(({ disk }) => disk === id)
  return attached && { id, sizeGiB: attached.sizeGiB }
}
