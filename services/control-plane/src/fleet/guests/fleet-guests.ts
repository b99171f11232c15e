import {
  domain,
  isOrdinary,
  type AnySpec,
  type AttachedDisk,
  type BackupRequest,
  type CarriedInstance,
  type CommandRequest,
  type CommandStatus,
  type CustomerKey,
  type DiskAccessRequest,
  type ErrorDetail,
  type FreshQuote,
  type HostAnswer,
  type HostCall,
  type InstanceConversion,
  type InstancePatch,
  type InstanceRekey,
  type InstanceSpec,
  type InstanceStatus,
  type PowerState,
  type QuoteChallenge,
  type VmOrder,
} from '@strongroom/contract'
import { has, type Shape } from '@strongroom/contract/shape'
import { commandStatus, errorBody, freshQuote } from '@strongroom/contract/wires'
import { ServiceError } from '@strongroom/platform'
import type { GuestStateKeys, Host } from '../../host/host.ts'
import { overlaid } from '../../host/overlay.ts'
import type { Db } from '../../store/resources.ts'
import type { CarriedCompute, First } from '../carried-compute.ts'
import type { CarriedDisks } from './carried-disks.ts'
import type { CarriedVms } from './carried-vms.ts'
import { GuestDisks } from './guest-disks.ts'
import type { HomeHost } from './home-host.ts'
import type { HostCalls } from './host-calls.ts'
import { requireOwnEvidence } from './own-evidence.ts'
import type { SshDoors } from './ssh-doors.ts'
import { domainsAt, type Placement, type Placements } from '../placements.ts'
import type { Tickets } from '../tickets.ts'

interface Parts {
  /** The server's own host, which carries what joined hosts cannot. */
  local: Host
  vms: CarriedVms
  disks: CarriedDisks
  placements: Placements
  tickets: Tickets
  keys: Pick<GuestStateKeys, 'place'>
  home: HomeHost
  calls: HostCalls
  ssh: SshDoors
}

/** Guests on the server's own host and on joined ones. The control plane stores what those on joined hosts need to continue. */
export function fleetGuests(o: Parts): CarriedCompute {
  const guests = new FleetGuests(o)
  return overlaid(routedHost(o, guests), {
    isMadeByHost: true as const,
    carriesOrdinary: false as const,
    fits: async (spec: AnySpec) => await guests.fits(spec),
    turn: async (vmId: string, state: PowerState, step: string, first: First) =>
      await guests.turn(vmId, state, step, first),
    turnIn: async (tx: Db, vmId: string, state: PowerState, step: string) => await guests.turnIn(tx, vmId, state, step),
    // A guest runs once its report is verified, which its host reports at /instance.
    started: async () => {},
    fence: async (vmId: string) => await guests.fence(vmId),
    orderOf: async (placement: Placement) => await guests.orderOf(placement),
    take: async (tx: Parameters<CarriedCompute['take']>[0], said: CarriedInstance, isAsked: boolean) =>
      await guests.take(tx, said, isAsked),
  })
}

/** The server's own host, whose calls go to the joined host that has the VM. */
function routedHost(o: Parts, guests: FleetGuests): Host {
  const isCarried = async (vmId: string): Promise<boolean> => (await o.vms.find(vmId)) !== undefined
  /** The method of the host that has the VM. */
  const routed = <A extends unknown[], R>(
    carried: (vmId: string, ...more: A) => Promise<NoInfer<R>>,
    own: (vmId: string, ...more: A) => Promise<R>,
  ): ((vmId: string, ...more: A) => Promise<R>) => {
    return async (vmId, ...more) => ((await isCarried(vmId)) ? await carried(vmId, ...more) : await own(vmId, ...more))
  }
  const { local } = o
  return overlaid(local, {
    provision: async (spec) =>
      (await o.placements.find(spec.vmId)) === undefined ? await local.provision(spec) : await guests.provision(spec),
    find: async (vmId) => (await guests.find(vmId)) ?? (await local.find(vmId)),
    list: async () => [...(await local.list()), ...(await o.vms.all())],
    patch: routed(
      async (vmId, patch) => await guests.patch(vmId, patch),
      async (vmId: string, patch: InstancePatch) => await local.patch(vmId, patch),
    ),
    rewrap: routed(notHere, async (vmId: string, key: CustomerKey) => await local.rewrap(vmId, key)),
    convert: routed(notHere, async (vmId: string, to: InstanceConversion) => await local.convert(vmId, to)),
    rekey: routed(notHere, async (vmId: string, rekey: InstanceRekey) => await local.rekey(vmId, rekey)),
    setDataDisks: routed(
      async (vmId, disks) => await guests.setDataDisks(vmId, disks),
      async (vmId: string, disks: AttachedDisk[]) => {
        await guests.disks.requireFree(disks)
        return await local.setDataDisks(vmId, disks)
      },
    ),
    remove: routed(
      async (vmId) => await guests.remove(vmId),
      async (vmId: string) => await local.remove(vmId),
    ),
    evidence: routed(
      async (vmId) => (await o.vms.find(vmId))?.evidence,
      async (vmId: string) => await local.evidence(vmId),
    ),
    command: routed(
      async (vmId, request) => {
        const call = { method: 'POST', path: `/instances/${vmId}/commands`, body: request } as const
        const status = await guests.findCommand(vmId, call)
        if (status === undefined) throw notOnAHost()
        return status
      },
      async (vmId: string, request: CommandRequest) => await local.command(vmId, request),
    ),
    freshQuote: routed(
      async (vmId, challenge) => await guests.freshQuote(vmId, challenge),
      async (vmId: string, challenge: QuoteChallenge) => await local.freshQuote(vmId, challenge),
    ),
    findCommand: routed(
      async (vmId, id) => await guests.findCommand(vmId, { method: 'GET', path: `/instances/${vmId}/commands/${id}` }),
      async (vmId: string, id: string) => await local.findCommand(vmId, id),
    ),
    serialLog: routed(
      async (vmId) => (await guests.answer(vmId, { method: 'GET', path: `/instances/${vmId}/serial-log` }))?.body,
      async (vmId: string) => await local.serialLog(vmId),
    ),
    backup: routed(notHere, async (vmId: string, request: BackupRequest) => await local.backup(vmId, request)),
    grantDisk: routed(notHere, async (id: string, request: DiskAccessRequest) => {
      await guests.disks.requireAtRest(id)
      return await local.grantDisk(id, request)
    }),
    revokeDisk: routed(
      async () => {},
      async (id: string) => await local.revokeDisk(id),
    ),
    keepDisk: async (spec) => {
      if (spec.source.from === 'instance' && (await isCarried(spec.source.vmId))) throw refused()
      if (spec.source.from === 'disk') await guests.disks.requireAtRest(spec.source.id)
      return await local.keepDisk(spec)
    },
    removeDisk: async (id) => {
      await guests.disks.remove(id)
      await local.removeDisk(id)
    },
  })
}

class FleetGuests {
  readonly #o: Parts
  readonly disks: GuestDisks

  constructor(o: Parts) {
    this.#o = o
    const isOff = async (vmId: string): Promise<boolean> => !runs((await this.find(vmId))?.power.state)
    this.disks = new GuestDisks({ ...o, isOff, plug: async (vmId, disks) => await this.#plug(vmId, disks) })
  }

  /** Confidential guests of an image in the installation’s catalogue, attested here. */
  async fits(spec: AnySpec): Promise<boolean> {
    if (isOrdinary(spec) || spec.guestStateKey === undefined) return false
    if (spec.restore !== undefined) return false
    if (!new URL(spec.attestationProvider).hostname.endsWith(`.attest.${domain}`)) return false
    return (await this.#o.local.images()).some(({ id, source }) => id === spec.image && source !== 'capture')
  }

  async provision(spec: AnySpec): Promise<InstanceStatus> {
    if (isOrdinary(spec)) throw new TypeError('VMs that are not confidential run on the server only')
    await this.#o.vms.add(spec)
    return await this.get(spec.vmId)
  }

  async find(vmId: string): Promise<InstanceStatus | undefined> {
    const vm = await this.#o.vms.find(vmId)
    return vm && { ...vm.status, vmId, spec: vm.spec }
  }

  async get(vmId: string): Promise<InstanceStatus> {
    const found = await this.find(vmId)
    if (found === undefined)
      throw new ServiceError({ code: 'InstanceNotFound', message: `There is no instance ${vmId}.` })
    return found
  }

  async patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus> {
    await this.#o.placements.transaction(async (tx) => {
      await this.#o.vms.change(tx, vmId, (vm) => {
        const { state } = vm.status.power
        const forNextBoot = patch.secureBootUpdates !== undefined && Object.keys(patch).length === 1
        if (!forNextBoot && runs(state)) throw notStopped(state)
        return {
          ...vm,
          spec: { ...vm.spec, ...patch, security: { ...vm.spec.security, ...patch.security } } as InstanceSpec,
        }
      })
    })
    return await this.get(vmId)
  }

  async remove(vmId: string): Promise<void> {
    await this.#o.ssh.forget(vmId)
    await this.#o.home.remove(vmId)
    await this.#o.disks.freeAll(vmId)
    // Last: what was interrupted is repeated as long as this record exists.
    await this.#o.vms.remove(vmId)
  }

  async setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<InstanceStatus> {
    await this.disks.set(vmId, disks)
    return await this.get(vmId)
  }

  /** A host that has not received the VM's order yet receives the disks with it. */
  async #plug(vmId: string, disks: AttachedDisk[]): Promise<void> {
    const placed = await this.#o.placements.find(vmId)
    const isTold = placed !== undefined && placed.host !== null && placed.fenced_epoch === placed.epoch
    if (!isTold || !runs((await this.find(vmId))?.power.state)) return
    const call = { method: 'PUT', path: `/instances/${vmId}/data-disks`, body: { disks } } as const
    if ((await this.answer(vmId, call, plugMs)) === undefined) throw notThere()
  }

  async turn(vmId: string, state: PowerState, step: string, first: First): Promise<void> {
    await this.#o.placements.transaction(async (tx) => {
      if (await first(tx)) await this.turnIn(tx, vmId, state, step)
    })
  }

  async turnIn(tx: Db, vmId: string, state: PowerState, step: string): Promise<void> {
    await this.#o.vms.change(tx, vmId, (vm) => ({
      ...vm,
      status: this.#o.vms.turned(unmade(vm.status, vm.record !== undefined, step), state, step),
    }))
  }

  /** The storage first: whoever gets the key then knows that nobody else has the disk open. */
  async fence(vmId: string): Promise<void> {
    const [placed, vm] = [await this.#o.placements.find(vmId), await this.#o.vms.find(vmId)]
    const placement = placed && this.#o.tickets.of(placed)
    if (placement === undefined || vm?.spec.guestStateKey === undefined) return
    await this.#o.home.fence(vmId, placement.epoch)
    await this.#o.keys.place(vm.spec.guestStateKey, placement)
  }

  async orderOf(placed: Placement): Promise<Partial<Pick<VmOrder, 'spec' | 'record' | 'dataDisks'>>> {
    const [spec, vm] = [await this.#o.vms.wholeSpec(placed.vm_id), await this.#o.vms.find(placed.vm_id)]
    const dataDisks = await this.#o.disks.of(placed.vm_id)
    const placement = this.#o.tickets.of(placed)
    if (spec === undefined || vm === undefined || placement === undefined) return {}
    const domains = domainsAt(placed)
    const shown = domains !== undefined && { shown: { ...spec.shown, domains } }
    const disks = dataDisks.length > 0 && { dataDisks }
    return { spec: { ...spec, ...shown, placement }, ...disks, ...(vm.record !== undefined && { record: vm.record }) }
  }

  /**
   * @throws ServiceError InvalidRequestContent for another VM's or epoch's evidence @param isAsked whether it is about
   * the last requested start; other reports do not change how the VM runs
   */
  async take(tx: Parameters<CarriedCompute['take']>[0], said: CarriedInstance, isAsked: boolean): Promise<void> {
    requireOwnEvidence(said)
    await this.#o.vms.change(tx, said.vmId, (vm) => {
      // The resource manager defines the VM, and its host’s own network is irrelevant here.
      const { spec: _spec, vmId: _vmId, ssh: _ssh, processes: _processes, dataDisks: _disks, ...status } = said.status
      const isMade = status.provisioning.state === 'Succeeded'
      return {
        spec: vm.spec,
        status: { ...status, power: isAsked ? status.power : vm.status.power },
        ...(isMade && { record: said.record }),
        ...(said.evidence !== undefined && { evidence: said.evidence as unknown as NonNullable<typeof vm.evidence> }),
      }
    })
  }

  /** @returns undefined if it does not exist on the host */
  async answer(
    vmId: string,
    call: Pick<HostCall, 'method' | 'path' | 'body'>,
    limitMs?: number,
  ): Promise<HostAnswer | undefined> {
    const host = (await this.#o.placements.find(vmId))?.host
    if (host === undefined || host === null) throw notOnAHost()
    const answer = await this.#o.calls.ask(host, { vmId, ...call }, limitMs)
    if (answer.status === 404) return undefined
    if (answer.status < 300) return answer
    throw ServiceError.relayed(refusalOf(answer.body), answer.status < 400 ? 502 : answer.status)
  }

  async findCommand(
    vmId: string,
    call: Pick<HostCall, 'method' | 'path' | 'body'>,
  ): Promise<CommandStatus | undefined> {
    const answer = await this.answer(vmId, call)
    if (answer === undefined) return undefined
    return answered(commandStatus, answer)
  }

  async freshQuote(vmId: string, challenge: QuoteChallenge): Promise<FreshQuote> {
    const call = { method: 'POST', path: `/instances/${vmId}/fresh-quote`, body: challenge } as const
    const answer = await this.answer(vmId, call)
    if (answer === undefined) throw notOnAHost()
    return answered(freshQuote, answer)
  }
}

/** A guest that is still being started gets its disks afterwards. */
const plugMs = 180_000

const runs = (state: PowerState | undefined): boolean => state !== undefined && !['Stopped', 'Failed'].includes(state)

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    return undefined
  }
}

function answered<T>(shape: Shape<T>, { body }: HostAnswer): T {
  const value = parsed(body)
  if (has(shape, value)) return value
  throw malformedAnswer(shape.expected)
}

/** The host's refusal, if its body states one. */
function refusalOf(body: string): ErrorDetail {
  const refusal = parsed(body)
  if (has(errorBody, refusal)) return refusal.error
  return { code: 'HostUnreachable', message: 'The virtual machine’s host gave no reason for its refusal.' }
}

/** A VM that was not yet created when its host was lost is not created elsewhere: its creation fails, and is repeated as a whole. */
function unmade(status: InstanceStatusKept, isMade: boolean, step: string): InstanceStatusKept {
  if (isMade || status.provisioning.state !== 'Running' || !step.includes('lost')) return status
  const error = { code: 'HostUnreachable', message: 'The host was lost while it created the virtual machine.' } as const
  return { ...status, provisioning: { ...status.provisioning, state: 'Failed', error } }
}
type InstanceStatusKept = Parameters<CarriedVms['turned']>[0]

const refused = (): ServiceError =>
  new ServiceError({
    code: 'NotOnJoinedHosts',
    message: 'The virtual machine is on a joined host, where this is not supported.',
    expected: 'a virtual machine on the server’s own host',
    found: 'one on a joined host',
    remedy: 'See docs/guides/fleet.md for what VMs on joined hosts cannot do.',
  })
const notHere = async (..._asked: unknown[]): Promise<never> => await Promise.reject(refused())

const malformedAnswer = (expected: string): ServiceError =>
  new ServiceError({
    code: 'HostUnreachable',
    message: 'The virtual machine’s host gave an answer that is malformed.',
    expected,
    found: 'something else',
    remedy: 'Update the host (docs/guides/operate.md#updates); if it is current, do not trust it.',
  })

const notOnAHost = (): ServiceError =>
  new ServiceError({
    code: 'HostUnreachable',
    message: 'No host currently carries this virtual machine.',
    expected: 'a virtual machine on a host',
    found: 'one that is deallocated, or waits for a host',
    remedy: 'Start it, then try again.',
  })

const notThere = (): ServiceError =>
  new ServiceError({
    code: 'HostUnreachable',
    message:
      'The virtual machine’s host cannot change its disks now: it does not have the guest, or is older than the server.',
    remedy: 'Try again when the virtual machine runs; update the host (docs/guides/operate.md#updates).',
  })

const notStopped = (state: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotStopped',
    message: 'A VM can be changed only while it is stopped.',
    expected: 'Stopped',
    found: state,
    remedy: 'Deallocate the VM first.',
  })
