import type { HostAnswer, HostCall, VmOrder } from '@strongroom/contract'
import { SimulatedCarrier } from '@strongroom/host/agent'
import type { TestHost } from './test-hosts.ts'

/** Reports each VM as ordered, like a host of guests, and answers calls as the test decides; it has no guests. */
export class ReportingCarrier extends SimulatedCarrier {
  /** Set once the host has started. */
  host: TestHost | undefined
  orders: readonly VmOrder[] = []
  readonly calls: HostCall[] = []
  answerWith: Omit<HostAnswer, 'id'> = { status: 200, type: 'application/json', body: '{}' }

  override carry(orders: readonly VmOrder[]): void {
    this.orders = orders
    for (const order of orders) void this.#say(order).catch(() => {})
  }

  override reports(): [] {
    return []
  }

  async answer(call: HostCall): Promise<Omit<HostAnswer, 'id'>> {
    this.calls.push(call)
    return await Promise.resolve(this.answerWith)
  }

  async #say({ vmId, epoch, run, wanted, spec }: VmOrder): Promise<void> {
    const power = { state: wanted === 'Running' ? 'Ready' : 'Stopped', since: new Date().toISOString(), steps: [] }
    const status = { vmId, spec, provisioning: { state: 'Succeeded', steps: [] }, power, notices: [] }
    await this.host?.send('/instance', { vmId, epoch, run, status, record: {} })
  }
}
