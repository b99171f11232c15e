/** A whole installation without guests that listens for hosts, in a process of its own. Tells bench/fleet.ts over IPC how to get in. */
import { freePort } from '@strongroom/platform'
import { startTestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'
import { hostPath } from '../../apps/strongroomd/src/testing/test-hosts.ts'

interface FleetReady {
  caPem: string
}

/** A host as its own process joins it. */
export interface AddedHosts {
  address: string
  codes: string[]
}

export type FleetQuestion =
  | { ask: 'hosts'; count: number }
  | { ask: 'machines'; count: number }
  | { ask: 'fleet' }
  | { ask: 'processor' }
  | { ask: 'end' }

/** What is reserved where. */
export interface FleetFacts {
  ready: number
  /** Virtual cores on hosts whose lease holds, and on others. */
  placed: number
  lost: number
  /** Hosts with more reserved than they have. */
  over: number
}

const vCPUs = 16
const atOnce = 8

interface Shown {
  joinCode?: string
  address?: string
  state: string
  reserved?: { vCPUs: number; memoryMiB: number }
  capacity?: { vCPUs: number; memoryMiB: number }
}

const installation = await startTestInstallation({ fleetAddress: `127.0.0.1:${await freePort()}` })
process.on('message', (question: FleetQuestion) => void answer(question))
process.send?.({ caPem: installation.caPem } satisfies FleetReady)

async function answer(question: FleetQuestion): Promise<void> {
  if (question.ask === 'hosts') process.send?.(await addHosts(question.count))
  else if (question.ask === 'machines') process.send?.({ made: await makeMachines(question.count) })
  else if (question.ask === 'fleet') process.send?.(await facts())
  else if (question.ask === 'processor') {
    const { user, system } = process.cpuUsage()
    process.send?.({ seconds: (user + system) / 1_000_000 })
  } else {
    await installation.close()
    process.disconnect()
  }
}

async function addHosts(count: number): Promise<AddedHosts> {
  const codes: string[] = []
  let address = ''
  for (let index = 0; index < count; index++) {
    const body = { location: 'westeurope', capacity: { vCPUs, memoryMiB: vCPUs * 8192 } }
    const added = await installation.arm<Shown>('PUT', hostPath(installation, `host-${index}`), body)
    codes.push(added.joinCode ?? '')
    address = added.address ?? ''
  }
  return { address, codes }
}

/** The first makes what the others stand in. */
async function makeMachines(count: number): Promise<number> {
  const make = async (index: number): Promise<string> => await makeVm(installation, { name: `machine-${index}`, size: 'Standard_DC2as_v5', subnetPrefix: '10.0.0.0/20' }) // prettier-ignore
  for (const name of ['cores', 'standardDCASv5Family']) await raiseQuota(name)
  await make(0)
  let next = 1
  const worker = async (): Promise<void> => {
    while (next < count) await make(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return count
}

/** As the operator, who asks and grants. */
async function raiseQuota(name: string): Promise<void> {
  const quota = `${installation.subscription}/providers/Microsoft.Compute/locations/westeurope/providers/Microsoft.Quota/quotas/${name}`
  const properties = { limit: { limitObjectType: 'LimitValue', value: 100_000 } }
  const asked = await installation.arm<{ name: string }>('PUT', quota, { properties })
  await installation.arm('POST', `${installation.subscription}/providers/Strongroom.Quota/requests/${asked.name}/grant`)
}

async function facts(): Promise<FleetFacts> {
  const path = hostPath(installation, '').replace(/\/$/, '')
  const { value } = await installation.arm<{ value: Shown[] }>('GET', path)
  const cores = (state: (each: string) => boolean): number =>
    value.filter((host) => state(host.state)).reduce((sum, { reserved }) => sum + (reserved?.vCPUs ?? 0), 0)
  const isOver = ({ reserved, capacity }: Shown): boolean => (reserved?.vCPUs ?? 0) > (capacity?.vCPUs ?? 0) || (reserved?.memoryMiB ?? 0) > (capacity?.memoryMiB ?? 0) // prettier-ignore
  return {
    ready: value.filter(({ name, state }: Shown & { name?: string }) => name !== 'local' && state === 'Ready').length,
    placed: cores((state) => state === 'Ready'),
    lost: cores((state) => state === 'Lost'),
    over: value.filter((host) => host.capacity !== undefined && isOver(host)).length,
  }
}
