import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { FleetInstallation, HostAnswer, HostCall, ImageManifest, VmOrder } from '@strongroom/contract'
import { commandRequest, quoteChallenge } from '@strongroom/contract/wires'
import { createSealer, joinStreams, toErrorBody, type Clock, type Logger } from '@strongroom/platform'
import { parseDataDisks, readBody } from '../../http/spec.ts'
import { notFound, notReady } from '../../records/errors.ts'
import type { Instance } from '../../instances/instance.ts'
import { probeAcceleration, type ProbeResult } from '../../qemu/probe.ts'
import { readSerialLog } from '../../qemu/serial-log.ts'
import type { Carrier } from './carrier.ts'
import type { FleetClient } from '../membership/fleet-client.ts'
import type { HostIdentity } from '../membership/host-identity.ts'
import { CarriedGuest, type GuestServices } from './carried-guest.ts'
import { FetchedImages } from './fetched-images.ts'
import { openFleetStream } from './fleet-stream.ts'
import { startGuestRelay } from './guest-relay.ts'
import { PeerDisks } from './peer-disks.ts'
import { PeerRecords } from './peer-records.ts'
import { noTokens, peerAuthority, peerDocuments, peerMeasurements, peerSilicon, peerWire } from './peer-services.ts'
import { vmPeer } from './vm-peer.ts'

interface Parts {
  directory: string
  installation: FleetInstallation
  identity: () => HostIdentity
  client: () => FleetClient
  clock: Clock
  logger: Logger
}

/** The server hashes the image at the first request: gigabytes, on a machine that may be busy. */
const manifestMs = 600_000

/** Carries real guests like the server's own host, but asks the control plane for what it lacks. */
export class GuestCarrier implements Carrier {
  readonly #o: Parts
  readonly #relay: Awaited<ReturnType<typeof startGuestRelay>>
  readonly #images: FetchedImages
  readonly #guests = new Map<string, CarriedGuest>()
  /** VMs that are ending: one that returns at once starts afterwards. */
  readonly #ending = new Map<string, Promise<void>>()
  #probed: Promise<ProbeResult> | undefined
  #isLeaving = false
  onChange: () => void = () => {}

  private constructor(o: Parts, relay: Awaited<ReturnType<typeof startGuestRelay>>, guests: Map<string, CarriedGuest>) {
    this.#o = o
    this.#relay = relay
    this.#guests = guests
    this.#images = new FetchedImages({
      cacheDir: this.#cacheDir,
      manifest: async (id) =>
        JSON.parse(await o.client().text(`/images/${encodeURIComponent(id)}`, manifestMs)) as ImageManifest,
    })
  }

  static async open(o: Parts): Promise<GuestCarrier> {
    const guests = new Map<string, CarriedGuest>()
    const carried = function* (): Iterable<{ vmId: string; epoch: number }> {
      for (const [vmId, { epoch }] of guests) yield { vmId, epoch }
    }
    const relay = await startGuestRelay({ identity: o.identity, carried })
    const carrier = new GuestCarrier(o, relay, guests)
    await mkdir(carrier.#cacheDir, { recursive: true, mode: 0o700 })
    return carrier
  }

  get #cacheDir(): string {
    return join(this.#o.directory, 'cache')
  }

  carry(orders: readonly VmOrder[]): void {
    const wanted = new Map(orders.map((order) => [order.vmId, order]))
    for (const [vmId, guest] of this.#guests) if (wanted.get(vmId)?.epoch !== guest.epoch) this.#end(vmId, guest)
    if (this.#isLeaving) return
    for (const order of orders) {
      const known = this.#guests.get(order.vmId)
      if (known !== undefined) known.follow(order)
      else if (order.spec !== undefined) this.#begin(order)
    }
  }

  endAll(): void {
    for (const [vmId, guest] of this.#guests) this.#end(vmId, guest)
  }

  /** Guests report their state through their records. */
  reports(): [] {
    return []
  }

  async answer(call: HostCall): Promise<Omit<HostAnswer, 'id'>> {
    try {
      const guest = this.#guests.get(call.vmId)
      const [, rest = ''] = call.path.split(`/instances/${call.vmId}/`)
      if (guest !== undefined && rest === 'data-disks') {
        await guest.setDataDisks(parseDataDisks(call.body))
        return { status: 200, type: 'application/json', body: '{}' }
      }
      const instance = guest?.instance
      if (instance === undefined || rest === '') throw notFound(call.vmId)
      if (rest === 'serial-log')
        return { status: 200, type: 'text/plain', body: (await readSerialLog(instance.serialLog)).toString('utf8') }
      if (rest === 'ssh') return await this.#joinSsh(call, instance)
      if (rest === 'fresh-quote') {
        const quote = await instance.agent().challenges.ask(readBody(quoteChallenge, call.body))
        return { status: 200, type: 'application/json', body: JSON.stringify(quote) }
      }
      const [what, id = ''] = rest.split('/')
      if (what !== 'commands') throw notFound(call.vmId)
      const status =
        call.method === 'POST' ? instance.agent().submit(readBody(commandRequest, call.body)) : instance.findCommand(id)
      if (status === undefined) throw notFound(id)
      return { status: 200, type: 'application/json', body: JSON.stringify(status) }
    } catch (error) {
      const { status, body } = toErrorBody(error)
      return { status, type: 'application/json', body: JSON.stringify(body) }
    }
  }

  /** A stream from the control plane to the guest's SSH, through a port on this machine's loopback. */
  async #joinSsh(call: HostCall, instance: Instance): Promise<Omit<HostAnswer, 'id'>> {
    const { stream: name } = call.body ?? {}
    const { ssh, power } = instance.status()
    if (ssh === undefined || typeof name !== 'string') throw notReady(power.state)
    const stream = await openFleetStream(this.#o.identity(), `/ssh/${call.vmId}/${name}`)
    joinStreams(connect({ ...ssh, allowHalfOpen: true }), stream)
    return { status: 200, type: 'application/json', body: '{}' }
  }

  /** A guest whose lease ends meanwhile is discarded like any other. */
  async shutDown(): Promise<void> {
    this.#isLeaving = true
    await Promise.all([...this.#guests.values()].map((guest) => guest.shutDown()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#ending.values())
    await this.#relay.close()
  }

  #begin(order: VmOrder): void {
    const services = this.#servicesFor(order)
    const guest = new CarriedGuest(services, order)
    services.store.bootNumber = () => guest.instance?.status().bootNumber
    this.#guests.set(order.vmId, guest)
    void (this.#ending.get(order.vmId) ?? Promise.resolve()).then(() => guest.follow(order))
  }

  #end(vmId: string, guest: CarriedGuest): void {
    this.#guests.delete(vmId)
    const before = this.#ending.get(vmId) ?? Promise.resolve()
    const ended = Promise.all([before, guest.discard()]).then(
      () => this.#o.logger.info({ vmId, epoch: guest.epoch }, 'a VM has stopped here'),
      (error: unknown) => this.#o.logger.error({ err: error, vmId }, 'a VM did not stop cleanly'),
    )
    this.#ending.set(vmId, ended)
    void ended.then(() => {
      if (this.#ending.get(vmId) === ended) this.#ending.delete(vmId)
    })
  }

  #servicesFor({ vmId, epoch }: VmOrder): GuestServices {
    const { directory, installation, identity, client, clock, logger } = this.#o
    const peer = vmPeer({ vmId, epoch, identity, client })
    const { tenantId, subscriptionId } = installation
    const { hostId: id, authority } = identity()
    return {
      installation: {
        id,
        tenantId,
        subscriptionId,
        mode: 'simulated',
        compute: 'guests',
        createdAt: clock.now().toISOString(),
        region: '',
        ports: { tls: this.#relay.port, local: 0 },
      },
      stateDir: directory,
      cacheDir: this.#cacheDir,
      // A joined host seals nothing: its VMs' records are with the control plane.
      sealer: createSealer(randomBytes(32)),
      clock,
      logger,
      wire: peerWire(peer),
      tokens: noTokens,
      authority: peerAuthority(peer, authority),
      documents: peerDocuments(peer),
      silicon: peerSilicon(peer, { simulated: true, amd: [], intel: [] }),
      store: new PeerRecords(peer, logger),
      disks: new PeerDisks(peer, this.#images),
      measurements: peerMeasurements(peer),
      approve: async (event) => void (await peer.post('/event', { event })),
      acceleration: () => (this.#probed ??= probeAcceleration({ cacheDir: this.#cacheDir })),
    }
  }
}
