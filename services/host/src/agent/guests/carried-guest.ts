import { isDeepStrictEqual } from 'node:util'
import type { AttachedDisk, VmOrder } from '@strongroom/contract'
import { carriedRecord } from '@strongroom/contract/wires'
import { read, type Logger } from '@strongroom/platform'
import { notFound } from '../../records/errors.ts'
import { Instance } from '../../instances/instance.ts'
import type { InstanceRecord } from '../../records/record.ts'
import type { HostServices } from '../../instances/services.ts'
import type { PeerDisks } from './peer-disks.ts'
import type { PeerRecords } from './peer-records.ts'

/** What one VM at one epoch works with. */
export interface GuestServices extends HostServices {
  store: PeerRecords
  disks: PeerDisks
  /** The guest has approved the event. */
  approve(event: string): Promise<void>
}

/** One guest of this host at one epoch: brought to its ordered state, one order at a time. */
export class CarriedGuest {
  readonly epoch: number
  readonly #services: GuestServices
  readonly #logger: Logger
  #instance: Instance | undefined
  #order: VmOrder
  /** The number of its current start. */
  #run = 0
  #queue: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(services: GuestServices, order: VmOrder) {
    const events = { current: () => this.#order.event, approve: async (id: string) => await services.approve(id) }
    this.#services = { ...services, events }
    this.#order = order
    this.epoch = order.epoch
    this.#logger = services.logger.child({ vmId: order.vmId, epoch: order.epoch })
  }

  get instance(): Instance | undefined {
    return this.#instance
  }

  follow(order: VmOrder): void {
    this.#order = order
    this.#queue = this.#queue
      .then(async () => {
        if (!this.#isOver) await this.#carryOut(this.#order)
      })
      .catch((error: unknown) => this.#logger.error({ err: error }, 'an order was not carried out'))
  }

  /** After the orders so far. @throws ServiceError InstanceNotFound if there is no guest, or as Instance.setDataDisks */
  async setDataDisks(disks: AttachedDisk[]): Promise<void> {
    await this.#queue
    if (this.#isOver || this.#instance === undefined) throw notFound(this.#order.vmId)
    await this.#instance.setDataDisks(disks)
  }

  /** The host ends: the guest powers off, and what its next host needs is with the control plane. Orders are ignored. */
  async shutDown(): Promise<void> {
    this.#isOver = true
    await this.#queue
    await this.#instance?.close()
    await this.#services.store.sent()
  }

  /** The VM is another host's, or gone: it ends here, and nothing is written. */
  async discard(): Promise<void> {
    this.#isOver = true
    this.#services.store.close()
    this.#services.disks.close()
    await this.#instance?.discard()
    await this.#queue
    await this.#instance?.discard()
  }

  async #carryOut(order: VmOrder): Promise<void> {
    this.#instance ??= await this.#made(order)
    if (order.wanted === 'Stopped') {
      if (!isOff(this.#instance)) await this.#instance.stop(true)
      return
    }
    if (order.run === this.#run) return
    this.#run = order.run
    // Changed while off, for example to another size.
    if (isOff(this.#instance) && order.record !== undefined) this.#instance = await this.#made(order)
    const { dataDisks = [] } = order
    if (!isDeepStrictEqual(this.#instance.status().dataDisks ?? [], dataDisks))
      await this.#instance.setDataDisks(dataDisks)
    // What was saved before this start refers to the one before.
    this.#services.store.run = order.run
    if (!isOff(this.#instance)) return await this.#instance.restart()
    await this.#instance.start()
  }

  async #made({ spec, record, dataDisks = [] }: VmOrder): Promise<Instance> {
    if (spec === undefined) throw new TypeError('an order has no specification of the guest')
    if (record === undefined) return await Instance.create(this.#services, spec)
    const since = this.#services.clock.now().toISOString()
    // Another host wrote it, and nobody vouches for it: its shape is checked, and this host chooses its own port.
    const last = read(carriedRecord, record, { code: 'InvalidRequestContent', subject: 'The record of the last host' })
    const { dataDisks: _before, sshPort: _port, provisioning = { state: 'Succeeded', steps: [] }, ...kept } = last
    const disks = dataDisks.length > 0 && { dataDisks }
    const power: InstanceRecord['power'] = { state: 'Stopped', since, steps: [] }
    return new Instance(this.#services, {
      notices: [],
      ...kept,
      ...disks,
      provisioning,
      spec,
      desired: 'stopped',
      power,
    })
  }
}

const isOff = (instance: Instance): boolean => ['Stopped', 'Failed'].includes(instance.status().power.state)
