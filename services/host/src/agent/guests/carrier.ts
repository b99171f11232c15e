import type { HostAnswer, HostCall, VmOrder, VmReport } from '@strongroom/contract'

/** Carries VMs on a joined host. */
export interface Carrier {
  /** Exactly these VMs, each in its wanted state; others are ended. */
  carry(orders: readonly VmOrder[]): void
  /** Ends everything at once: the host's lease has expired. */
  endAll(): void
  /** VMs that have reached their wanted state. */
  reports(): VmReport[]
  /** Called when `reports` has changed. */
  onChange: () => void
  /** The control plane's requests to a guest; absent without guests. */
  answer?(call: HostCall): Promise<Omit<HostAnswer, 'id'>>
  /** Powers all guests off properly, and takes no further ones; absent without guests. */
  shutDown?(): Promise<void>
  /** Ends everything, permanently. */
  close?(): Promise<void>
}

interface CarriedVm {
  order: VmOrder
  /** The number of its current start; undefined while off. */
  runs: number | undefined
  starting: NodeJS.Timeout | undefined
}

/** Start time of a VM without a guest, in milliseconds. */
const startMs = 20

/** Carries VMs without guests: they run, or they do not. */
export class SimulatedCarrier implements Carrier {
  readonly #vms = new Map<string, CarriedVm>()
  onChange: () => void = () => {}

  carry(orders: readonly VmOrder[]): void {
    const wanted = new Set(orders.map(({ vmId }) => vmId))
    for (const [vmId, vm] of this.#vms) if (!wanted.has(vmId)) this.#end(vmId, vm)
    for (const order of orders) this.#take(order)
  }

  endAll(): void {
    for (const [vmId, vm] of this.#vms) this.#end(vmId, vm)
  }

  reports(): VmReport[] {
    return [...this.#vms.values()].filter(isThere).map(({ order: { vmId, epoch, run, wanted } }) => ({
      vmId,
      epoch,
      run,
      state: wanted === 'Running' ? 'Ready' : 'Stopped',
    }))
  }

  #take(order: VmOrder): void {
    const known = this.#vms.get(order.vmId)
    const before = known?.order
    if (before?.epoch === order.epoch && before.run === order.run && before.wanted === order.wanted) return
    clearTimeout(known?.starting)
    const vm: CarriedVm = { order, runs: undefined, starting: undefined }
    this.#vms.set(order.vmId, vm)
    if (order.wanted === 'Stopped') {
      this.onChange()
      return
    }
    vm.starting = setTimeout(() => {
      vm.starting = undefined
      vm.runs = order.run
      this.onChange()
    }, startMs)
  }

  #end(vmId: string, vm: CarriedVm): void {
    clearTimeout(vm.starting)
    this.#vms.delete(vmId)
  }
}

const isThere = ({ order, runs, starting }: CarriedVm): boolean =>
  starting === undefined && (order.wanted === 'Stopped' || runs === order.run)
