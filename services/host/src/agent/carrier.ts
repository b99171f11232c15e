import type { HostAnswer, HostCall, VmOrder, VmReport } from '@strongroom/contract'

/** What carries VMs on a joined host. */
export interface Carrier {
  /** These VMs and no others, each as it is wanted; what is not among them ends. */
  carry(orders: readonly VmOrder[]): void
  /** All that runs ends at once: the host's lease is over. */
  endAll(): void
  /** Of VMs that have come to where they were wanted. */
  reports(): VmReport[]
  /** Called when `reports` has something new. */
  onChange: () => void
  /** What the control plane asks of a guest; absent where there are none. */
  answer?(call: HostCall): Promise<Omit<HostAnswer, 'id'>>
  /** Once all has ended, for good. */
  close?(): Promise<void>
}

interface CarriedVm {
  order: VmOrder
  /** The start that it runs by; undefined while it is off. */
  runs: number | undefined
  starting: NodeJS.Timeout | undefined
}

/** How long a VM without a guest takes to start, in milliseconds. */
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
