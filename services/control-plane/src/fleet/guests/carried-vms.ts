import type { AnyBootEvidence, CarriedRecord, InstanceSpec, InstanceStatus, PowerState } from '@strongroom/contract'
import { forUpdate, type Clock, type Sealer, type Store } from '@strongroom/platform'
import type { Db } from '../../store/resources.ts'

/** The record of a guest that joined hosts carry. */
export interface CarriedVm {
  spec: InstanceSpec
  status: Omit<InstanceStatus, 'spec' | 'vmId'>
  /** Its hosts' record; absent until it was created. */
  record?: CarriedRecord
  evidence?: AnyBootEvidence
}

/** The guests that joined hosts carry, in the control plane's store. Methods with `tx` run inside the caller's transaction. */
export class CarriedVms {
  readonly #store: Store
  readonly #sealer: Sealer
  readonly #clock: Clock

  constructor(o: { store: Store; sealer: Sealer; clock: Clock }) {
    this.#store = o.store
    this.#sealer = o.sealer.derive('passwords of carried VMs')
    this.#clock = o.clock
  }

  get #db(): Db {
    return this.#store.db as Db
  }

  /** Idempotent. */
  async add(spec: InstanceSpec): Promise<void> {
    const { passwordHash, ...osProfile } = spec.osProfile
    const password =
      passwordHash === undefined
        ? null
        : Buffer.from(await this.#sealer.seal(Buffer.from(passwordHash), spec.vmId)).toString('base64')
    const status: CarriedVm['status'] = {
      provisioning: { state: 'Running', steps: [] },
      power: { state: 'Stopped', since: this.#now(), steps: [] },
      notices: [],
    }
    await this.#db
      .insertInto('carried_vm')
      .values({
        vm_id: spec.vmId,
        spec: JSON.stringify({ ...spec, osProfile }),
        password,
        status: JSON.stringify(status),
        record: null,
        evidence: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }

  async find(vmId: string): Promise<CarriedVm | undefined> {
    const row = await this.#db.selectFrom('carried_vm').selectAll().where('vm_id', '=', vmId).executeTakeFirst()
    if (row === undefined) return undefined
    return {
      spec: JSON.parse(row.spec) as InstanceSpec,
      status: JSON.parse(row.status) as CarriedVm['status'],
      ...(row.record !== null && { record: JSON.parse(row.record) as CarriedRecord }),
      ...(row.evidence !== null && { evidence: JSON.parse(row.evidence) as AnyBootEvidence }),
    }
  }

  /** Of the OS disk. */
  async diskGiB(vmId: string): Promise<number> {
    return (await this.find(vmId))?.spec.osDisk.sizeGiB ?? 0
  }

  async all(): Promise<InstanceStatus[]> {
    const rows = await this.#db.selectFrom('carried_vm').select(['vm_id', 'spec', 'status']).execute()
    return rows.map((row) => ({
      ...(JSON.parse(row.status) as CarriedVm['status']),
      vmId: row.vm_id,
      spec: JSON.parse(row.spec) as InstanceSpec,
    }))
  }

  /** Including the password's hash: for its host only. */
  async wholeSpec(vmId: string): Promise<InstanceSpec | undefined> {
    const columns = ['spec', 'password'] as const
    const row = await this.#db.selectFrom('carried_vm').select(columns).where('vm_id', '=', vmId).executeTakeFirst()
    if (row === undefined) return undefined
    const spec = JSON.parse(row.spec) as InstanceSpec
    if (row.password === null) return spec
    const hash = await this.#sealer.open(Buffer.from(row.password, 'base64'), vmId)
    return { ...spec, osProfile: { ...spec.osProfile, passwordHash: Buffer.from(hash).toString() } }
  }

  /** Locks the row and writes the result of `change`; does nothing without such a VM or a result. */
  async change(tx: Db, vmId: string, change: (vm: CarriedVm) => CarriedVm | undefined): Promise<void> {
    const query = tx.selectFrom('carried_vm').selectAll().where('vm_id', '=', vmId)
    const row = await forUpdate(this.#store, query).executeTakeFirst()
    if (row === undefined) return
    const changed = change({
      spec: JSON.parse(row.spec) as InstanceSpec,
      status: JSON.parse(row.status) as CarriedVm['status'],
      ...(row.record !== null && { record: JSON.parse(row.record) as CarriedRecord }),
    })
    if (changed === undefined) return
    const { spec, status, record, evidence } = changed
    await tx
      .updateTable('carried_vm')
      .set({
        spec: JSON.stringify(spec),
        status: JSON.stringify(status),
        ...(record !== undefined && { record: JSON.stringify(record) }),
        ...(evidence !== undefined && { evidence: JSON.stringify(evidence) }),
      })
      .where('vm_id', '=', vmId)
      .execute()
  }

  async remove(vmId: string): Promise<void> {
    await this.#db.deleteFrom('carried_vm').where('vm_id', '=', vmId).execute()
  }

  /** A status with this power, as one completed step. */
  turned(status: CarriedVm['status'], state: PowerState, step: string): CarriedVm['status'] {
    const at = this.#now()
    return { ...status, power: { state, since: at, steps: [{ name: step, startedAt: at, endedAt: at }] } }
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}
