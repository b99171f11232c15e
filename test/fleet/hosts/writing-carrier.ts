import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { VmOrder } from '@strongroom/contract'
import type { Carrier } from '@strongroom/host/agent'
import { FleetClient } from '../../../services/host/src/agent/membership/fleet-client.ts'
import type { HostIdentity } from '../../../services/host/src/agent/membership/host-identity.ts'
import { vmPeer } from '../../../services/host/src/agent/guests/vm-peer.ts'
import type { HadRelease } from './attested-boot.ts'
import { WrittenGuest } from './written-guest.ts'

/** How long an obstinate host lets a moved VM run on. */
const lingerMs = 20_000

/** Carries VMs whose guests write records. */
export class WritingCarrier implements Carrier {
  readonly #identity: HostIdentity
  readonly #client: FleetClient
  readonly #directory: string
  /** Lacks a fence: what it should end continues for a while. */
  readonly #isObstinate: boolean
  readonly #onRelease: (had: HadRelease) => void
  readonly #guests = new Map<string, WrittenGuest>()
  readonly #lingering = new Map<string, WrittenGuest>()
  onChange: () => void = () => {}

  constructor(o: {
    identity: HostIdentity
    directory: string
    isObstinate: boolean
    onRelease: (had: HadRelease) => void
  }) {
    this.#identity = o.identity
    this.#client = FleetClient.under({
      address: o.identity.address,
      authority: o.identity.authority,
      identity: o.identity,
    })
    this.#directory = o.directory
    this.#isObstinate = o.isObstinate
    this.#onRelease = o.onRelease
  }

  carry(orders: readonly VmOrder[]): void {
    const wanted = new Map(orders.map((order) => [order.vmId, order]))
    for (const [vmId, guest] of this.#guests) if (wanted.get(vmId)?.epoch !== guest.epoch) this.#end(vmId, guest)
    for (const order of orders) this.#guestOf(order).follow(order)
  }

  endAll(): void {
    for (const [vmId, guest] of this.#guests) this.#end(vmId, guest)
  }

  reports(): [] {
    return []
  }

  async close(): Promise<void> {
    for (const guest of this.#lingering.values()) guest.end()
    this.#client.close()
    return await Promise.resolve()
  }

  #guestOf(order: VmOrder): WrittenGuest {
    const { vmId, epoch } = order
    const known = this.#guests.get(vmId)
    if (known !== undefined) return known
    // One VM runs once per host and epoch.
    this.#lingering.get(`${vmId} ${epoch}`)?.end()
    const peer = vmPeer({ vmId, epoch, identity: () => this.#identity, client: () => this.#client })
    const guest = new WrittenGuest({
      peer,
      order,
      directory: join(this.#directory, 'guests'),
      onRelease: this.#onRelease,
    })
    this.#guests.set(vmId, guest)
    return guest
  }

  #end(vmId: string, guest: WrittenGuest): void {
    this.#guests.delete(vmId)
    if (!this.#isObstinate) return guest.end()
    const name = `${vmId} ${guest.epoch}`
    this.#lingering.set(name, guest)
    void sleep(lingerMs, undefined, { ref: false }).then(() => {
      guest.end()
      if (this.#lingering.get(name) === guest) this.#lingering.delete(name)
    })
  }
}
