/** A whole installation without guests that listens for hosts, in a separate process. Tells bench/fleet.ts over IPC how to connect. */
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, openServiceStore } from '@strongroom/platform'
import { compose } from '../../apps/strongroomd/src/compose.ts'
import { startTestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'
import { hostPath } from '../../apps/strongroomd/src/testing/test-hosts.ts'
import { median } from '../support/measure.ts'
import { seedMachines } from './seed.ts'

interface FleetReady {
  caPem: string
}

/** Adds a host as its own process would. */
export interface AddedHosts {
  address: string
  codes: string[]
}

export type FleetQuestion =
  | { ask: 'hosts'; count: number }
  | { ask: 'machines'; count: number }
  | { ask: 'fleet' }
  | { ask: 'costs'; times: number }
  | { ask: 'moved' }
  | { ask: 'processor' }
  | { ask: 'end' }

/** Reservations by host. */
export interface FleetFacts {
  ready: number
  /** Virtual cores on hosts with a valid lease, and on others. */
  placed: number
  lost: number
  /** Hosts with more reserved than they have. */
  over: number
}

/** The server's processor time for one of each, median, in milliseconds, without what the hosts' leases cost meanwhile. */
export interface FleetCosts {
  /** A VM that is deallocated and started: released by its host, and placed on another. */
  placement: number
  /** The list of all hosts. */
  hosts: number
  /** One page of the list of VMs. */
  machines: number
}

const vCPUs = 64
/** For how long the server is left to its hosts' leases, to know what they cost. */
const restMs = 5_000
const size = 'Standard_DC2as_v5'

interface Shown {
  name: string
  joinCode?: string
  address?: string
  state: string
  reserved?: { vCPUs: number; memoryMiB: number }
  capacity?: { vCPUs: number; memoryMiB: number }
}

const fleetAddress = `127.0.0.1:${await freePort()}`
const installation = await startTestInstallation({ fleetAddress })
let { running } = installation
/** Number added. */
let hosts = 0
/** The VM that was made through the API. */
let machine = ''
process.on('message', (question: FleetQuestion) => void answer(question))
process.send?.({ caPem: installation.caPem } satisfies FleetReady)

async function answer(question: FleetQuestion): Promise<void> {
  if (question.ask === 'hosts') process.send?.(await addHosts(question.count))
  else if (question.ask === 'machines') process.send?.({ made: await makeMachines(question.count) })
  else if (question.ask === 'fleet') process.send?.(await facts())
  else if (question.ask === 'costs') process.send?.(await costs(question.times))
  else if (question.ask === 'moved') process.send?.({ machines: await moved() })
  else if (question.ask === 'processor') process.send?.({ seconds: processorSeconds() })
  else {
    await running.close()
    await installation.close()
    process.disconnect()
  }
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000_000
}

async function addHosts(count: number): Promise<AddedHosts> {
  const codes: string[] = []
  let address = ''
  hosts = count
  for (let index = 0; index < count; index++) {
    const body = { location: 'westeurope', capacity: { vCPUs, memoryMiB: vCPUs * 8192 } }
    const added = await installation.arm<Shown>('PUT', hostPath(installation, `host-${index}`), body)
    codes.push(added.joinCode ?? '')
    address = added.address ?? ''
  }
  return { address, codes }
}

/** One through the API, and the rest as its copies while the server is down; the hosts have already joined. */
async function makeMachines(count: number): Promise<number> {
  for (const name of ['cores', 'standardDCASv5Family']) await raiseQuota(name)
  machine = await makeVm(installation, { name: 'machine', size, subnetPrefix: '10.0.0.0/16' })
  const { properties } = await installation.arm<{ properties: { vmId: string } }>('GET', machine)
  // The last host has no agent: VMs placed on it would never run.
  await installation.arm('POST', `${hostPath(installation, `host-${hosts - 1}`)}/drain`)
  const { context } = running
  const { installation: kept, stateDir, cacheDir } = context
  await running.close()
  await seedMachines(context, { name: 'machine', vmId: properties.vmId.toUpperCase(), count })
  const ports = { tls: String(kept.ports.tls), local: String(kept.ports.local) }
  running = await compose({ stateDir, cacheDir, ports, compute: 'simulated', fleetAddress })
  return count
}

/** As the operator, who both asks and grants. */
async function raiseQuota(name: string): Promise<void> {
  const quota = `${installation.subscription}/providers/Microsoft.Compute/locations/westeurope/providers/Microsoft.Quota/quotas/${name}`
  const properties = { limit: { limitObjectType: 'LimitValue', value: 100_000 } }
  const asked = await installation.arm<{ name: string }>('PUT', quota, { properties })
  await installation.arm('POST', `${installation.subscription}/providers/Strongroom.Quota/requests/${asked.name}/grant`)
}

const hostsPath = hostPath(installation, '').replace(/\/$/, '')

async function costs(times: number): Promise<FleetCosts> {
  const spent = async (work: () => Promise<unknown>): Promise<{ processor: number; milliseconds: number }> => {
    const [before, begun] = [processorSeconds(), performance.now()]
    await work()
    return { processor: (processorSeconds() - before) * 1000, milliseconds: performance.now() - begun }
  }
  const rest = await spent(async () => await sleep(restMs))
  const took = async (work: () => Promise<unknown>): Promise<number> => {
    const costs: number[] = []
    for (let index = 0; index < times; index++) {
      const { processor, milliseconds } = await spent(work)
      costs.push(processor - (rest.processor / rest.milliseconds) * milliseconds)
    }
    return median(costs)
  }
  return {
    placement: await took(async () => {
      await installation.run('POST', `${machine}/deallocate`)
      await installation.run('POST', `${machine}/start`)
    }),
    hosts: await took(async () => await installation.arm('GET', hostsPath)),
    machines: await took(async () => await installation.arm('GET', machine.replace(/\/[^/]+$/, ''))),
  }
}

/** Machines that were placed more than once. */
async function moved(): Promise<number> {
  const store = await openServiceStore(running.context, 'control_plane')
  try {
    return (await store.db.selectFrom('placement').select('vm_id').where('epoch', '>', 1).execute()).length
  } finally {
    await store.close()
  }
}

async function facts(): Promise<FleetFacts> {
  const { value } = await installation.arm<{ value: Shown[] }>('GET', hostsPath)
  const cores = (state: (each: string) => boolean): number =>
    value.filter((host) => state(host.state)).reduce((sum, { reserved }) => sum + (reserved?.vCPUs ?? 0), 0)
  const isOver = ({ reserved, capacity }: Shown): boolean =>
    (reserved?.vCPUs ?? 0) > (capacity?.vCPUs ?? 0) || (reserved?.memoryMiB ?? 0) > (capacity?.memoryMiB ?? 0)
  return {
    ready: value.filter(({ name, state }) => name !== 'local' && state === 'Ready').length,
    placed: cores((state) => state === 'Ready'),
    lost: cores((state) => state === 'Lost'),
    over: value.filter((host) => host.capacity !== undefined && isOver(host)).length,
  }
}
