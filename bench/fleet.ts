import { HostProbe } from './fleet/host-probe.ts'
import type { FleetCosts } from './fleet/server.ts'
import { SimulatedFleet } from './fleet/simulated-fleet.ts'
import { quantile } from './support/measure.ts'
import { step } from './support/progress.ts'
import { machineFacts, printReport } from './support/report.ts'

/**
 * Issue 18, of 1,000 hosts and 20,000 VMs with 100 hosts lost. Growth: a fleet's cost relative to that of a quarter of
 * it, divided by four.
 */
const goals = { renewalP99: 1_000, processor: 1, placedAgain: 60, over: 0, others: 0, growth: 1 }
/** A quarter of the fleet is measured first. Hosts that are lost at once, seconds of observation, repetitions. */
const sizes = {
  short: { hosts: 100, machines: 2_000, lost: 10, seconds: 20, times: 20 },
  full: { hosts: 1_000, machines: 20_000, lost: 100, seconds: 120, times: 20 },
}
const quarter = 4
/** Of a machine. */
const cores = 2

/**
 * A fleet of simulated hosts on a real control plane: how long a lease renewal takes beside all others, what leases
 * cost, how long VMs of hosts lost at once wait for new ones, and how the cost of a placement and of lists grows with
 * the fleet.
 * @returns whether the goals are reached
 */
export async function bench(o: { json: boolean; full?: boolean }): Promise<boolean> {
  const size = o.full === true ? sizes.full : sizes.short
  const facts = machineFacts()
  step('starts an installation of a quarter')
  const small = await costsOf({ ...size, hosts: size.hosts / quarter, machines: size.machines / quarter })
  step('starts an installation')
  const { costs, ...figures } = await measured(size)
  const growth = (of: keyof FleetCosts): number => costs[of] / small[of] / quarter
  const grows = Math.max(growth('placement'), growth('hosts'), growth('machines'))
  const reached =
    figures.renewalP99 < goals.renewalP99 &&
    figures.processor <= goals.processor &&
    figures.placedAgain <= goals.placedAgain &&
    figures.over <= goals.over &&
    figures.others <= goals.others &&
    grows <= goals.growth
  const grown = (name: string, of: keyof FleetCosts): string[] => [
    `${name}, processor time (a quarter of the fleet: ${small[of].toFixed(1)} ms)`,
    `${costs[of].toFixed(1)} ms, × ${(growth(of) * quarter).toFixed(1)}`,
    `≤ × ${quarter}`,
  ]
  const rows = [
    ['', 'reached', 'wanted'],
    [
      `lease renewal beside ${size.hosts} hosts with ${size.machines} machines, median`,
      `${figures.renewalMedian.toFixed(1)} ms`,
      '',
    ],
    ['lease renewal, p99', `${figures.renewalP99.toFixed(1)} ms`, `< ${goals.renewalP99} ms`],
    ['processor of the server', `${figures.processor.toFixed(2)} cores`, `≤ ${goals.processor}`],
    [
      `${size.lost} hosts lost: until all their machines have others`,
      `${figures.placedAgain.toFixed(1)} s`,
      `≤ ${goals.placedAgain} s`,
    ],
    ['machines of other hosts that were moved', String(figures.others), String(goals.others)],
    ['hosts over their capacity', String(figures.over), String(goals.over)],
    grown('deallocate and start a machine', 'placement'),
    grown('list of hosts', 'hosts'),
    grown('list of machines, a page', 'machines'),
  ]
  printReport(o, { facts, data: { goals, size, figures: { ...figures, costs, small }, reached }, rows })
  return reached
}

interface Size {
  hosts: number
  machines: number
  lost: number
  seconds: number
  times: number
}

async function costsOf(size: Size): Promise<FleetCosts> {
  const fleet = await SimulatedFleet.open(size)
  try {
    return await fleet.ask<FleetCosts>({ ask: 'costs', times: size.times })
  } finally {
    await fleet.close()
  }
}

async function measured(size: Size) {
  const fleet = await SimulatedFleet.open(size)
  try {
    step(`renews the lease of one more host for ${size.seconds} s`)
    const before = await fleet.ask<{ seconds: number }>({ ask: 'processor' })
    const probe = await HostProbe.open(fleet.probeDirectory)
    const begun = performance.now()
    const renewals = await probe.renewals(size.seconds)
    const seconds = (performance.now() - begun) / 1000
    probe.close()
    const after = await fleet.ask<{ seconds: number }>({ ask: 'processor' })
    step('weighs placements and lists')
    const costs = await fleet.ask<FleetCosts>({ ask: 'costs', times: size.times })
    step(`loses ${size.lost} hosts at once`)
    const movedBefore = await fleet.moved()
    const cut = performance.now()
    await fleet.lose(size.lost)
    await fleet.until(async () => {
      const { ready, placed, lost } = await fleet.facts()
      return ready <= size.hosts - size.lost && lost === 0 && placed === size.machines * cores
    })
    const placedAgain = (performance.now() - cut) / 1000
    const { over } = await fleet.facts()
    const carried = (size.lost * size.machines) / size.hosts
    return {
      renewalMedian: quantile(renewals, 0.5),
      renewalP99: quantile(renewals, 0.99),
      processor: (after.seconds - before.seconds) / seconds,
      placedAgain,
      over,
      others: Math.max(0, (await fleet.moved()) - movedBefore - carried),
      costs,
    }
  } finally {
    await fleet.close()
  }
}
