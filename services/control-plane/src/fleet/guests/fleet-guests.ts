import {
  domain,
  isOrdinary,
  type AnySpec,
  type AttachedDisk,
  type BackupRequest,
  type CarriedInstance,
  type CommandRequest,
  type CustomerKey,
  type DiskAccessRequest,
  type ErrorBody,
  type ErrorDetail,
  type HostAnswer,
  type HostCall,
  type InstanceConversion,
  type InstancePatch,
  type InstanceSpec,
  type InstanceStatus,
  type PowerState,
  type VmOrder,
} from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { GuestStateKeys, Host } from '../../host/host.ts'
import { overlaid } from '../../host/overlay.ts'
import type { CarriedCompute, First } from '../carried-compute.ts'
import type { CarriedVms } from './carried-vms.ts'
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
  const isCarried = async (vmId: string): Promise<boolean> => (await o.vms.find(vmId)) !== undefined
  /** The method of the host that has the VM. */
  const routed = <A extends unknown[], R>(
    carried: (vmId: string, ...more: A) => Promise<NoInfer<R>>,
    own: (vmId: string, ...more: A) => Promise<R>,
  ): ((vmId: string, ...more: A) => Promise<R>) => {
    return async (vmId, ...more) => ((await isCarried(vmId)) ? await carried(vmId, ...more) : await own(vmId, ...more))
  }
  const { local } = o
  const host = overlaid(local, {
    provision: async (spec) =>
      (await o.placements.find(spec.vmId)) === undefined ? await local.provision(spec) : await guests.provision(spec),
    find: async (vmId) => (await guests.find(vmId)) ?? (await local.find(vmId)),
    list: async () => [...(await local.list()), ...(await o.vms.all())],
    patch: routed(async (vmId, patch) => await guests.patch(vmId, patch), async (vmId: string, patch: InstancePatch) => await local.patch(vmId, patch)), // prettier-ignore
    rewrap: routed(notHere, async (vmId: string, key: CustomerKey) => await local.rewrap(vmId, key)),
    convert: routed(
      notHere,
      async (vmId: string, conversion: InstanceConversion) => await local.convert(vmId, conversion),
    ),
    setDataDisks: routed(async (vmId, disks) => (disks.length === 0 ? await guests.get(vmId) : await notHere()), async (vmId: string, disks: AttachedDisk[]) => await local.setDataDisks(vmId, disks)), // prettier-ignore
    remove: routed(
      async (vmId) => await guests.remove(vmId),
      async (vmId: string) => await local.remove(vmId),
    ),
    evidence: routed(
      async (vmId) => (await o.vms.find(vmId))?.evidence,
      async (vmId: string) => await local.evidence(vmId),
    ),
    command: routed(async (vmId, request) => await guests.ask(vmId, { method: 'POST', path: `/instances/${vmId}/commands`, body: request }), async (vmId: string, request: CommandRequest) => await local.command(vmId, request)), // prettier-ignore
    findCommand: routed(async (vmId, id) => await guests.ask(vmId, { method: 'GET', path: `/instances/${vmId}/commands/${id}` }), async (vmId: string, id: string) => await local.findCommand(vmId, id)), // prettier-ignore
    serialLog: routed(async (vmId) => (await guests.answer(vmId, { method: 'GET', path: `/instances/${vmId}/serial-log` }))?.body, async (vmId: string) => await local.serialLog(vmId)), // prettier-ignore
    backup: routed(notHere, async (vmId: string, request: BackupRequest) => await local.backup(vmId, request)),
    grantDisk: routed(notHere, async (id: string, request: DiskAccessRequest) => await local.grantDisk(id, request)),
    revokeDisk: routed(
      async () => {},
      async (id: string) => await local.revokeDisk(id),
    ),
    keepDisk: async (spec) => {
      if (spec.source.from === 'instance' && (await isCarried(spec.source.vmId))) throw refused()
      return await local.keepDisk(spec)
    },
  })
  return overlaid(host, {
    isMadeByHost: true as const,
    carriesOrdinary: false as const,
    fits: async (spec: AnySpec) => await guests.fits(spec),
    turn: async (vmId: string, state: PowerState, step: string, first: First) =>
      await guests.turn(vmId, state, step, first),
    // A guest runs once its report is verified, which its host reports at /instance.
    started: async () => {},
    fence: async (vmId: string) => await guests.fence(vmId),
    orderOf: async (placement: Placement) => await guests.orderOf(placement),
    take: async (tx: Parameters<CarriedCompute['take']>[0], said: CarriedInstance, isAsked: boolean) =>
      await guests.take(tx, said, isAsked),
  })
}

class FleetGuests {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  /** Confidential guests of an image in the installation’s catalogue, under the platform’s key, attested here. */
  async fits(spec: AnySpec): Promise<boolean> {
    if (isOrdinary(spec) || spec.customerKey !== undefined || spec.guestStateKey === undefined) return false
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
    if (found === undefined) throw new ServiceError({ code: 'InstanceNotFound', message: `There is no instance ${vmId}.` }) // prettier-ignore
    return found
  }

  async patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus> {
    await this.#o.placements.transaction(async (tx) => {
      await this.#o.vms.change(tx, vmId, (vm) => {
        const { state } = vm.status.power
        const forNextBoot = patch.secureBootUpdates !== undefined && Object.keys(patch).length === 1
        if (!forNextBoot && !['Stopped', 'Failed'].includes(state)) throw notStopped(state)
        const { customerKey: _none, ...rest } = patch
        return { ...vm, spec: { ...vm.spec, ...rest, security: { ...vm.spec.security, ...patch.security } } as InstanceSpec } // prettier-ignore
      })
    })
    return await this.get(vmId)
  }

  async remove(vmId: string): Promise<void> {
    await this.#o.ssh.forget(vmId)
    await this.#o.home.remove(vmId)
    await this.#o.vms.remove(vmId)
  }

  async turn(vmId: string, state: PowerState, step: string, first: First): Promise<void> {
    await this.#o.placements.transaction(async (tx) => {
      if (!(await first(tx))) return
      await this.#o.vms.change(tx, vmId, (vm) => ({ ...vm, status: this.#o.vms.turned(unmade(vm.status, vm.record !== undefined, step), state, step) })) // prettier-ignore
    })
  }

  /** The storage first: whoever gets the key then knows that nobody else has the disk open. */
  async fence(vmId: string): Promise<void> {
    const [placed, vm] = [await this.#o.placements.find(vmId), await this.#o.vms.find(vmId)]
    const placement = placed && this.#o.tickets.of(placed)
    if (placement === undefined || vm?.spec.guestStateKey === undefined) return
    await this.#o.home.fence(vmId, placement.epoch)
    await this.#o.keys.place(vm.spec.guestStateKey, placement)
  }

  async orderOf(placed: Placement): Promise<Partial<Pick<VmOrder, 'spec' | 'record'>>> {
    const [spec, vm] = [await this.#o.vms.wholeSpec(placed.vm_id), await this.#o.vms.find(placed.vm_id)]
    const placement = this.#o.tickets.of(placed)
    if (spec === undefined || vm === undefined || placement === undefined) return {}
    const domains = domainsAt(placed)
    const shown = domains !== undefined && { shown: { ...spec.shown, domains } }
    return { spec: { ...spec, ...shown, placement }, ...(vm.record !== undefined && { record: vm.record }) }
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
  async answer(vmId: string, call: Pick<HostCall, 'method' | 'path' | 'body'>): Promise<HostAnswer | undefined> {
    const host = (await this.#o.placements.find(vmId))?.host
    if (host === undefined || host === null) throw notOnAHost()
    const answer = await this.#o.calls.ask(host, { vmId, ...call })
    if (answer.status === 404) return undefined
    if (answer.status < 300) return answer
    throw ServiceError.relayed(refusalOf(answer.body), answer.status)
  }

  async ask<T>(vmId: string, call: Pick<HostCall, 'method' | 'path' | 'body'>): Promise<T> {
    const answer = await this.answer(vmId, call)
    return (answer === undefined ? undefined : JSON.parse(answer.body)) as T
  }
}

/** The host's refusal, as far as its body states it. */
function refusalOf(body: string): ErrorDetail {
  try {
    return (JSON.parse(body) as ErrorBody).error
  } catch {
    return { code: 'HostUnreachable', message: 'The virtual machine’s host gave no reason for its refusal.' }
  }
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
    remedy: 'See docs/fleet.md for what VMs on joined hosts cannot do.',
  })
const notHere = async (..._asked: unknown[]): Promise<never> => await Promise.reject(refused())

const notOnAHost = (): ServiceError =>
  new ServiceError({
    code: 'HostUnreachable',
    message: 'No host currently carries this virtual machine.',
    expected: 'a virtual machine on a host',
    found: 'one that is deallocated, or waits for a host',
    remedy: 'Start it, then try again.',
  })

const notStopped = (state: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotStopped',
    message: 'A VM can be changed only while it is stopped.',
    expected: 'Stopped',
    found: state,
    remedy: 'Deallocate the VM first.',
  })
