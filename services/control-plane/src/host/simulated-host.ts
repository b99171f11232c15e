import {
  isOrdinary,
  sharedAttestationHost,
  type AnySpec,
  type AnyBootEvidence,
  type AttachedDisk,
  type CustomerKey,
  type DiskAccess,
  type DiskAccessRequest,
  type ErrorDetail,
  type ImageBuildStatus,
  type ImageMeasurementsDocument,
  type ImageRecord,
  type InstanceConversion,
  type InstancePatch,
  type InstanceSpec,
  type InstanceStatus,
  type StoredDiskSpec,
  type StoredDiskStatus,
  type PowerState,
} from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import { regions } from '../arm/regions.ts'
import type { Db, ResourceStore } from '../store/resources.ts'
import { insertIfAbsent } from '../store/rows.ts'
import type { GuestStateKeys, Host, KeyPlacement } from './host.ts'
import { refuseRestore } from './no-backups.ts'
import { noGuestNotice, WithoutGuests } from './no-guests.ts'
import { bootIdOf, type EvidenceMaker } from './simulated-evidence.ts'
import { SimulatedDisks } from './simulated-disks.ts'
import { simulatedImage as image, withoutImages } from './simulated-images.ts'

type PlacedAt = (vmId: string) => Promise<KeyPlacement | undefined>
const nowhere: PlacedAt = async () => await Promise.resolve(undefined)

/** Decides within a transaction whether the rest of it is done. */
type First = (tx: Db) => Promise<boolean>
const always: First = async () => await Promise.resolve(true)

/** The store's record of an instance. */
interface SimulatedInstance extends InstanceStatus {
  /** Evidence was requested: there may be a vTPM, a guest state and a key to destroy. */
  asked?: true
  /** How often it was started. */
  boots?: number
}

/**
 * The driver without guests: instances pass through a host's states at once and stay in the store across restarts, and
 * nothing boots. Until its evidence is requested, a VM is only a row; with an attestation provider that its owner
 * named, evidence is requested at each start.
 */
export class SimulatedHost extends WithoutGuests implements Host {
  readonly #resources: ResourceStore
  readonly #clock: Clock
  readonly #maker: EvidenceMaker
  readonly #disks: SimulatedDisks
  readonly #placed: PlacedAt

  /** @param placed where a VM is placed in a fleet; undefined for the server's own */
  constructor(resources: ResourceStore, clock: Clock, maker: EvidenceMaker, placed: PlacedAt = nowhere) {
    super()
    this.#placed = placed
    this.#resources = resources
    this.#disks = new SimulatedDisks(resources, clock, image)
    this.#clock = clock
    this.#maker = maker
  }

  async provision(spec: AnySpec): Promise<InstanceStatus> {
    await refuseRestore(spec)
    const now = this.#now()
    const fresh: InstanceStatus = {
      vmId: spec.vmId,
      spec: withoutPassword(spec),
      provisioning: { state: 'Succeeded', steps: [{ name: 'record (no disk is made)', startedAt: now, endedAt: now }] },
      power: { state: 'Stopped', since: now, steps: [] },
      notices: [noGuestNotice],
      ...(isOrdinary(spec) ? {} : wrappedBy(spec.customerKey)),
    }
    const row = { vm_id: spec.vmId, status: JSON.stringify(fresh) }
    await insertIfAbsent(this.#resources.db.insertInto('simulated_instance').values(row))
    const made = await this.#find(spec.vmId)
    if (made === undefined) throw notFound(spec.vmId)
    return made
  }

  async find(vmId: string): Promise<InstanceStatus | undefined> {
    return await this.#find(vmId)
  }

  async list(): Promise<InstanceStatus[]> {
    const rows = await this.#resources.db.selectFrom('simulated_instance').select('status').execute()
    return rows.map(({ status }) => JSON.parse(status) as SimulatedInstance)
  }

  async #find(vmId: string, db: Db = this.#resources.db): Promise<SimulatedInstance | undefined> {
    const row = await db.selectFrom('simulated_instance').select('status').where('vm_id', '=', vmId).executeTakeFirst()
    return row === undefined ? undefined : (JSON.parse(row.status) as SimulatedInstance)
  }

  /** A running VM continues: starting it again is not a boot. */
  async start(vmId: string): Promise<InstanceStatus> {
    const status = await this.#find(vmId)
    if (status?.power.state === 'Ready') return status
    return await this.#boot(vmId, status, 'start (no guest runs)')
  }

  async stop(vmId: string): Promise<InstanceStatus | undefined> {
    if ((await this.#find(vmId)) === undefined) return undefined
    return await this.#change(vmId, (status) => {
      if (status.power.state !== 'Stopped') this.#power(status, 'Stopped', 'stop')
    })
  }

  async restart(vmId: string): Promise<InstanceStatus> {
    return await this.#boot(vmId, await this.#find(vmId), 'restart (no guest runs)')
  }

  async patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus> {
    return await this.#change(vmId, (status) => {
      const { spec } = status
      if (!['Stopped', 'Failed'].includes(status.power.state)) throw notStopped(status.power.state)
      status.spec = { ...spec, ...patch, security: { ...spec.security, ...patch.security } } as AnySpec
    })
  }

  /** A guest state here contains nothing from a guest: under another key, or on other silicon, it is recreated when needed. */
  async rewrap(vmId: string, customerKey: CustomerKey): Promise<InstanceStatus> {
    return await this.#remake(vmId, (status) => {
      Object.assign(status, { spec: { ...status.spec, customerKey } }, wrappedBy(customerKey))
    })
  }

  async convert(vmId: string, conversion: InstanceConversion): Promise<InstanceStatus> {
    return await this.#remake(vmId, (status) => void (status.spec = { ...status.spec, ...conversion }))
  }

  async #remake(vmId: string, change: (status: SimulatedInstance) => void): Promise<InstanceStatus> {
    if ((await this.#find(vmId))?.asked === true) await this.#maker.remove(vmId)
    return await this.#change(vmId, (status) => {
      delete status.asked
      change(status)
    })
  }

  async remove(vmId: string): Promise<void> {
    if ((await this.#find(vmId))?.asked === true) await this.#maker.remove(vmId)
    await this.#resources.transaction(async (tx) => {
      const gone = await this.#find(vmId, tx)
      if (gone?.dataDisks !== undefined) await this.#disks.place(tx, { vmId, before: gone.dataDisks, wanted: [] })
      await tx.deleteFrom('simulated_instance').where('vm_id', '=', vmId).execute()
    })
  }

  async setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<InstanceStatus> {
    return await this.#change(vmId, async (status, tx) => {
      await this.#disks.place(tx, { vmId, before: status.dataDisks ?? [], wanted: disks })
      if (disks.length === 0) delete status.dataDisks
      else status.dataDisks = disks.toSorted((a, b) => a.lun - b.lun)
    })
  }

  /** For the VM's current boot; while it is off, for the last one whose evidence was requested. */
  async evidence(vmId: string): Promise<AnyBootEvidence | undefined> {
    const status = await this.#find(vmId)
    if (status === undefined || isOrdinary(status.spec)) return undefined
    if (status.power.state !== 'Ready') return status.asked === true ? await this.#maker.last(vmId) : undefined
    return await this.#evidenceOf(status, status.spec, status.boots ?? 0)
  }

  async #evidenceOf(status: SimulatedInstance, spec: InstanceSpec, boots: number): Promise<AnyBootEvidence> {
    const { vmId } = spec
    // Recorded first: whatever happens to this process, deleting the VM destroys what is about to be created.
    if (status.asked !== true) await this.#change(vmId, (kept) => void (kept.asked = true))
    return await this.#maker.boot(await this.#withPlacement(spec), bootIdOf(vmId, boots))
  }

  async #withPlacement(spec: InstanceSpec): Promise<InstanceSpec> {
    const placement = await this.#placed(spec.vmId)
    return { ...spec, ...(placement !== undefined && { placement }) }
  }

  /** If evidence was requested there is a key: from now on it is for the VM's present placement only. */
  async fence(vmId: string): Promise<void> {
    const status = await this.#find(vmId)
    if (status?.asked === true && !isOrdinary(status.spec))
      await this.#maker.place(await this.#withPlacement(status.spec))
  }

  async serialLog(vmId: string): Promise<string | undefined> {
    return (await this.find(vmId)) === undefined ? undefined : `${noGuestNotice}\n`
  }

  async keepDisk(spec: StoredDiskSpec): Promise<StoredDiskStatus> {
    return await this.#disks.keep(spec)
  }

  async findDisk(id: string): Promise<StoredDiskStatus | undefined> {
    return await this.#disks.find(id)
  }

  async removeDisk(id: string): Promise<void> {
    await this.#disks.remove(id)
  }

  async finishDisk(id: string): Promise<StoredDiskStatus> {
    return await this.#disks.finish(id)
  }

  async grantDisk(_id: string, o: DiskAccessRequest): Promise<DiskAccess> {
    throw new ServiceError({
      code: 'NoDiskContent',
      message: `Compute is simulated in this installation: disks have no content to ${o.permission === 'Write' ? 'upload' : 'download'}.`,
      expected: 'an installation that boots guests',
      found: 'compute: simulated',
      remedy: 'Create the disk in an installation that boots guests, created without --compute.',
    })
  }

  async revokeDisk(): Promise<void> {
    // Nothing is ever granted.
  }

  async images(): Promise<ImageRecord[]> {
    return [image]
  }

  async imageMeasurements(id: string): Promise<ImageMeasurementsDocument | undefined> {
    return id === image.id ? await this.#maker.measurements() : undefined
  }

  firmware: Host['firmware'] = async () => await this.#maker.firmware()
  signFirmware: Host['signFirmware'] = async (asked) => await this.#maker.signFirmware(asked)
  removeFirmware: Host['removeFirmware'] = async (asked) => await this.#maker.removeFirmware(asked)

  async importImage(): Promise<ImageRecord> {
    throw withoutImages()
  }

  async updateImage(): Promise<undefined> {
    throw withoutImages()
  }

  async signVariable(): Promise<undefined> {
    throw withoutImages()
  }

  async buildImage(): Promise<ImageBuildStatus> {
    throw withoutImages()
  }

  async imageBuild(): Promise<ImageBuildStatus> {
    return { state: 'Absent', steps: [] }
  }

  /**
   * A boot on the VM's host, which reports it as ready; judged like any.
   * @param first as in `turn`
   */
  async started(vmId: string, step: string, first: First): Promise<void> {
    const before = await this.#find(vmId)
    if (before !== undefined && before.power.state !== 'Ready') await this.#boot(vmId, before, step, first)
  }

  /**
   * The VM's power as its host reports it; nothing if there is no such instance.
   * @param first runs in the same transaction, before the instance is read: false changes nothing
   */
  async turn(vmId: string, state: PowerState, step: string, first: First): Promise<void> {
    if ((await this.#find(vmId)) === undefined) return
    await this.#change(vmId, (status) => this.#power(status, state, step), first)
  }

  /** As `turn`, as part of a transaction that turns several. */
  async turnIn(tx: Db, vmId: string, state: PowerState, step: string): Promise<void> {
    await this.#changeIn(tx, vmId, (status) => this.#power(status, state, step))
  }

  async #boot(
    vmId: string,
    before: SimulatedInstance | undefined,
    step: string,
    first: First = always,
  ): Promise<InstanceStatus> {
    if (before === undefined) throw notFound(vmId)
    const boots = (before.boots ?? 0) + 1
    const error = await this.#refusal(before, boots)
    const change = (status: SimulatedInstance): void => {
      status.boots = boots
      this.#power(status, error === undefined ? 'Ready' : 'Failed', step)
      if (error !== undefined) status.power.error = error
    }
    return await this.#change(vmId, change, first)
  }

  /** A provider that the VM's owner named judges every boot, and may refuse it; the region's shared one does when evidence is requested. */
  async #refusal(status: SimulatedInstance, boots: number): Promise<ErrorDetail | undefined> {
    const { spec } = status
    if (isOrdinary(spec) || sharedProviders.has(spec.attestationProvider)) return undefined
    try {
      await this.#evidenceOf(status, spec, boots)
      return undefined
    } catch (error) {
      if (error instanceof ServiceError && error.status < 500) return error.toDetail()
      throw error
    }
  }

  #power(status: SimulatedInstance, state: PowerState, step: string): void {
    const now = this.#now()
    // No `ssh`: there is nothing to connect to.
    status.power = { state, since: now, steps: [{ name: step, startedAt: now, endedAt: now }] }
  }

  async #change(
    vmId: string,
    change: (status: SimulatedInstance, tx: Db) => void | Promise<void>,
    first: First = always,
  ): Promise<InstanceStatus> {
    return await this.#resources.transaction(async (tx) => {
      const isWanted = await first(tx)
      const changed = await this.#changeIn(tx, vmId, isWanted ? change : () => {})
      if (changed === undefined) throw notFound(vmId)
      return changed
    })
  }

  async #changeIn(
    tx: Db,
    vmId: string,
    change: (status: SimulatedInstance, tx: Db) => void | Promise<void>,
  ): Promise<SimulatedInstance | undefined> {
    const query = tx.selectFrom('simulated_instance').select('status').where('vm_id', '=', vmId)
    const row = await this.#resources.forUpdate(query).executeTakeFirst()
    if (row === undefined) return undefined
    const status = JSON.parse(row.status) as SimulatedInstance
    await change(status, tx)
    const text = JSON.stringify(status)
    if (text !== row.status)
      await tx.updateTable('simulated_instance').set({ status: text }).where('vm_id', '=', vmId).execute()
    return status
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}

/** No guest receives the hash: only its measurement is stored. */
function withoutPassword(spec: AnySpec): AnySpec {
  const { passwordHash: _, ...osProfile } = spec.osProfile
  return { ...spec, osProfile }
}

const wrappedBy = (customerKey: CustomerKey | undefined): { guestStateWrappedBy?: string } => {
  const keyId = customerKey?.keyIds[0]
  return keyId === undefined ? {} : { guestStateWrappedBy: keyId }
}

const sharedProviders = new Set(regions.map(({ code }) => `https://${sharedAttestationHost(code)}`))

const notFound = (vmId: string): ServiceError =>
  new ServiceError({ code: 'InstanceNotFound', message: `There is no instance ${vmId}.` })

const notStopped = (state: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotStopped',
    message: 'A VM can be changed only while it is stopped.',
    expected: 'Stopped',
    found: state,
    remedy: 'Deallocate the VM first.',
  })

/** Until evidence is requested there is no guest state, and so no key: the identifier states it. */
export const noGuestStateKeys: GuestStateKeys = {
  place: async () => {},
  ensure: async ({ vmId }) => `urn:strongroom:no-guest-state:${vmId.toLowerCase()}`,
  latestLaunch: async () => undefined,
  destroyKey: async () => {},
  destroy: async () => {},
}
