import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersions, type ArmClient } from '../../../apps/cli/src/client/arm.ts'
import { prepareNetwork } from '../../../apps/cli/src/up/vm-network.ts'
import { vmBody, vmPath } from '../../../apps/cli/src/up/vm-request.ts'
import { AcknowledgedWrites, longestGap, secretRegister, tagRegister } from './acknowledged.ts'
import { TestInstallation } from './installation.ts'
import { PatroniCluster } from './patroni-cluster.ts'
import { defaultRequest, openArm } from './vm.ts'

const faults = ['kill', 'killDatabase', 'cutOff', 'pausePatroni'] as const
/** Patroni gives a silent leader twenty seconds; what has not failed over by then stays away until the fault ends. */
const faultMs = 26_000
const proper = ['Succeeded', 'Failed', 'Canceled']

/** Answers that a client may get while the primary changes. */
export const repeatable = ['StoreUnavailable', 'ServerBusy']

export interface FailoverOutcome {
  faults: { fault: string; of: string; unavailableMs: number }[]
  /** Per register: what was acknowledged, the value at the end, and which reads were too low. */
  registers: { name: string; acknowledged: number; found: number; stale: unknown[]; refusals: Record<string, number> }[]
  /** Operations by the state in which they ended; `unfinished` are those that never did. */
  operations: Record<string, number>
  /** Why operations did not succeed. */
  failures: string[]
  /** VMs that are in no final state at the end. */
  unsettled: string[]
}

/** A server on a real Patroni cluster, with writers and operations, and faults of the primary one after the other. */
export async function runFailovers(count: number, say: (text: string) => void = () => {}): Promise<FailoverOutcome> {
  const cluster = await PatroniCluster.start()
  const installation = await TestInstallation.create()
  try {
    const file = join(installation.home, 'store-url')
    await writeFile(file, cluster.url, { mode: 0o600 })
    await installation.start({}, ['--compute', 'simulated', '--store-url-file', file])
    return await attack({ cluster, installation, count, say })
  } finally {
    await installation.remove()
    await cluster.remove()
  }
}

async function attack(o: {
  cluster: PatroniCluster
  installation: TestInstallation
  count: number
  say: (text: string) => void
}): Promise<FailoverOutcome> {
  const { cluster, installation, count, say } = o
  const arm = await openArm(installation)
  const tenant = await installation.must<{ tenantId: string }>('status').then((status) => status.tenantId)
  const registers = [await tagRegister(arm, 'one'), await tagRegister(arm, 'two'), await tagRegister(arm, 'three')]
  registers.push(await secretRegister(arm, { group: 'one', tenant }))
  const writes = registers.map((register) => new AcknowledgedWrites(register))
  const operations = new Operations(installation, arm, say)
  const met: FailoverOutcome['faults'] = []
  for (let n = 0; n < count; n++) {
    const fault = faults[n % faults.length]!
    const of = await cluster.settled()
    await sleep(2000)
    const from = performance.now()
    await cluster[fault](of)
    await sleep(faultMs)
    await cluster.restore(of)
    await cluster.settled()
    met.push({ fault, of, unavailableMs: longestGap(writes, from, performance.now()) })
    say(`${n + 1} of ${count}: ${fault} of ${of}, ${(met.at(-1)!.unavailableMs / 1000).toFixed(1)} s unavailable`)
  }
  await Promise.all(writes.map((each) => each.end()))
  const ended = await operations.end()
  const found = await Promise.all(
    writes.map(async ({ register, acknowledged, stale, refusals }) => ({
      name: register.name,
      acknowledged,
      stale,
      refusals: Object.fromEntries(refusals),
      found: await register.read(),
    })),
  )
  const vms = await installation.must<{ name: string; properties: { provisioningState: string } }[]>('vm', 'list')
  const unsettled = vms
    .filter(({ properties }) => !proper.includes(properties.provisioningState))
    .map(({ name }) => name)
  return { faults: met, registers: found, operations: ended, failures: operations.failures, unsettled }
}

/** Creates and deletes VMs one after the other, and follows each operation to its end regardless of the server's answers in between. */
class Operations {
  readonly #installation: TestInstallation
  readonly #arm: ArmClient
  readonly #states: Record<string, number> = {}
  /** Those that did not succeed, with their errors. */
  readonly failures: string[] = []
  readonly #say: (text: string) => void
  readonly #ended: Promise<void>
  #isOver = false

  constructor(installation: TestInstallation, arm: ArmClient, say: (text: string) => void) {
    this.#installation = installation
    this.#arm = arm
    this.#say = say
    this.#ended = this.#go()
    this.#ended.catch(() => {})
  }

  async end(): Promise<Record<string, number>> {
    this.#isOver = true
    await this.#ended
    return this.#states
  }

  async #go(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const request = {
        // Names come again: each has an address, of which an installation has 762.
        ...(await defaultRequest(this.#installation, `vm${n % 16}`)),
        securityType: 'Standard',
        size: 'Standard_D2as_v5',
      }
      await this.#insist(async () => await prepareNetwork(this.#arm, request))
      const path = vmPath(this.#arm, request.group, request.name)
      for (const [method, body] of [['PUT', vmBody(this.#arm, request)], ['DELETE']] as const) {
        const url = await this.#insist(async () => {
          const { headers } = await this.#arm.send(method, path, apiVersions.compute, body)
          return headers['azure-asyncoperation'] ?? headers['location']
        })
        const { status: state, error } = typeof url === 'string' ? await this.#follow(url) : { status: 'Succeeded' }
        if (state !== 'Succeeded') {
          this.failures.push(`${method} ${request.name}: ${state} ${JSON.stringify(error)}`)
          this.#say(this.failures.at(-1)!)
        }
        this.#states[`${method} ${state}`] = (this.#states[`${method} ${state}`] ?? 0) + 1
      }
    }
  }

  /** Repeats what clients repeat: a 503. */
  async #insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (attempt === 400 || !repeatable.includes((error as { code?: string }).code ?? '')) throw error
        await sleep(250)
      }
    }
  }

  async #follow(url: string): Promise<{ status: string; error?: unknown }> {
    for (let n = 0; n < 400; n++) {
      const answer = await this.#insist(async () => (await this.#arm.sendUrl('GET', url)).json)
      const { status = 'InProgress', error } = (answer ?? {}) as { status?: string; error?: unknown }
      if (proper.includes(status)) return { status, error }
      await sleep(250)
    }
    return { status: 'unfinished' }
  }
}
