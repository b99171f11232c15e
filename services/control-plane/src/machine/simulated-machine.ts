import {
  isOrdinary,
  type AnySpec,
  type BootEvidence,
  type CommandStatus,
  type CustomerKey,
  type ImageBuildStatus,
  type ImageRecord,
  type InstanceConversion,
  type InstancePatch,
  type InstanceStatus,
  type PowerState,
} from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import type { ResourceStore } from '../store/resources.ts'
import type { GuestStateKeys, Machine } from './machine.ts'

export const noGuestNotice =
  'Compute is simulated in this installation: no guest ran, and nothing was measured or attested.'

/** What VMs are made of here: a name that requests can refer to, without a disk behind it. */
const image: ImageRecord = {
  id: 'debian-13-cvm',
  name: 'debian-13',
  version: '13.0.0',
  path: '',
  sizeBytes: 2 * 2 ** 30,
  sha256: '',
  builtAt: '1970-01-01T00:00:00.000Z',
  source: 'reference',
  osType: 'Linux',
  qualifies: { confidential: true, diskEncryption: true, reasons: [] },
  os: { id: 'debian', versionId: '13', kernel: '' },
}

/**
 * The driver without guests: instances pass through the states of a machine's wire at once and stay in the store across
 * restarts, and nothing boots. It has no evidence to show, and says so.
 */
export class SimulatedMachine implements Machine {
  readonly carriesDataDisks = true
  readonly #resources: ResourceStore
  readonly #clock: Clock

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
  }

  async provision(spec: AnySpec): Promise<InstanceStatus> {
    const now = this.#now()
    const fresh: InstanceStatus = {
      vmId: spec.vmId,
      spec,
      provisioning: { state: 'Succeeded', steps: [{ name: 'record (no disk is made)', startedAt: now, endedAt: now }] },
      power: { state: 'Stopped', since: now, steps: [] },
      notices: [noGuestNotice],
      ...(isOrdinary(spec) ? {} : wrappedBy(spec.customerKey)),
    }
    await this.#resources.db
      .insertInto('simulated_instance')
      .values({ vm_id: spec.vmId, status: JSON.stringify(fresh) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return await this.#require(spec.vmId)
  }

  async find(vmId: string): Promise<InstanceStatus | undefined> {
    const row = await this.#resources.db
      .selectFrom('simulated_instance')
      .select('status')
      .where('vm_id', '=', vmId)
      .executeTakeFirst()
    return row === undefined ? undefined : (JSON.parse(row.status) as InstanceStatus)
  }

  async start(vmId: string): Promise<InstanceStatus> {
    return await this.#power(vmId, 'Ready', 'start (no guest runs)')
  }

  async stop(vmId: string): Promise<InstanceStatus | undefined> {
    return (await this.find(vmId)) === undefined ? undefined : await this.#power(vmId, 'Stopped', 'stop')
  }

  async restart(vmId: string): Promise<InstanceStatus> {
    return await this.#power(vmId, 'Ready', 'restart (no guest runs)')
  }

  async patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus> {
    const status = await this.#require(vmId)
    const { spec } = status
    return await this.#write({
      ...status,
      spec: { ...spec, ...patch, security: { ...spec.security, ...patch.security } } as AnySpec,
    })
  }

  /** There is no guest state: which key it would be under is on record. */
  async rewrap(vmId: string, customerKey: CustomerKey): Promise<InstanceStatus> {
    const status = await this.#require(vmId)
    return await this.#write({ ...status, spec: { ...status.spec, customerKey }, ...wrappedBy(customerKey) })
  }

  async convert(vmId: string, conversion: InstanceConversion): Promise<InstanceStatus> {
    const status = await this.#require(vmId)
    return await this.#write({ ...status, spec: { ...status.spec, ...conversion } })
  }

  async remove(vmId: string): Promise<void> {
    await this.#resources.db.deleteFrom('simulated_instance').where('vm_id', '=', vmId).execute()
  }

  async evidence(): Promise<BootEvidence | undefined> {
    throw new ServiceError({
      code: 'NoGuestRan',
      status: 409,
      message: noGuestNotice,
      expected: 'an installation whose compute is guests',
      found: 'compute: simulated',
      remedy: 'Make the VM in an installation that boots guests: leave --compute out when it is made.',
    })
  }

  async command(): Promise<CommandStatus> {
    throw new ServiceError({
      code: 'NoGuestRan',
      status: 409,
      message: `${noGuestNotice} So no script can run in one.`,
      expected: 'an installation whose compute is guests',
      found: 'compute: simulated',
      remedy: 'Make the VM in an installation that boots guests: leave --compute out when it is made.',
    })
  }

  async findCommand(): Promise<CommandStatus | undefined> {
    return undefined
  }

  async serialLog(vmId: string): Promise<string | undefined> {
    return (await this.find(vmId)) === undefined ? undefined : `${noGuestNotice}\n`
  }

  async images(): Promise<ImageRecord[]> {
    return [image]
  }

  async importImage(): Promise<ImageRecord> {
    throw withoutImages()
  }

  async buildImage(): Promise<ImageBuildStatus> {
    throw withoutImages()
  }

  async imageBuild(): Promise<ImageBuildStatus> {
    return { state: 'Absent', steps: [] }
  }

  async #power(vmId: string, state: PowerState, step: string): Promise<InstanceStatus> {
    const status = await this.#require(vmId)
    const now = this.#now()
    // No `ssh`: there is nothing to connect to.
    return await this.#write({
      ...status,
      power: { state, since: now, steps: [{ name: step, startedAt: now, endedAt: now }] },
    })
  }

  async #write(status: InstanceStatus): Promise<InstanceStatus> {
    await this.#resources.db
      .updateTable('simulated_instance')
      .set({ status: JSON.stringify(status) })
      .where('vm_id', '=', status.vmId)
      .execute()
    return status
  }

  async #require(vmId: string): Promise<InstanceStatus> {
    const status = await this.find(vmId)
    if (status !== undefined) return status
    throw new ServiceError({ code: 'InstanceNotFound', status: 404, message: `There is no instance ${vmId}.` })
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}

const wrappedBy = (customerKey: CustomerKey | undefined): { guestStateWrappedBy?: string } => {
  const keyId = customerKey?.keyIds[0]
  return keyId === undefined ? {} : { guestStateWrappedBy: keyId }
}

const withoutImages = (): ServiceError =>
  new ServiceError({
    code: 'NoImages',
    status: 409,
    message: 'Compute is simulated in this installation: no image is built, imported or booted.',
    remedy: 'Use an installation that boots guests.',
  })

/** Without a guest there is no guest state, and so no key: the identifier says it. */
export const noGuestStateKeys: GuestStateKeys = {
  ensure: async ({ vmId }) => `urn:strongroom:no-guest-state:${vmId.toLowerCase()}`,
  destroyKey: async () => {},
  destroy: async () => {},
}
