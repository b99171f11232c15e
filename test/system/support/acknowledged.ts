import { setTimeout as sleep } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import { CliError } from '../../../apps/cli/src/core/cli-error.ts'
import { apiVersions, type ArmClient } from '../../../apps/cli/src/client/arm.ts'

/** A value by number that can be written and read back. */
export interface Register {
  name: string
  write(value: number): Promise<void>
  read(): Promise<number>
}

/** A tag of a resource group: a row of the control plane. */
export async function tagRegister(arm: ArmClient, name: string): Promise<Register> {
  const path = `${arm.subscription}/resourceGroups/${name}`
  const write = async (value: number): Promise<void> => {
    await arm.send('PUT', path, apiVersions.resources, { location: arm.region, tags: { value: String(value) } })
  }
  await write(0)
  return {
    name,
    write,
    read: async () => Number((await arm.get<{ tags: { value: string } }>(path, apiVersions.resources)).tags.value),
  }
}

/** A tag of a key vault's secret: a row of the vault service, written through the control plane. */
export async function secretRegister(arm: ArmClient, o: { group: string; tenant: string }): Promise<Register> {
  const vault = `${arm.subscription}/resourceGroups/${o.group}/providers/Microsoft.KeyVault/vaults/v${randomUUID().slice(0, 8)}`
  const properties = { tenantId: o.tenant, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true }
  await arm.run('PUT', vault, apiVersions.vaults, { location: arm.region, properties })
  const path = `${vault}/secrets/register`
  const write = async (value: number): Promise<void> => {
    await arm.send('PUT', path, apiVersions.vaults, { tags: { value: String(value) }, properties: { value: 'kept' } })
  }
  await write(0)
  return {
    name: 'secret',
    write,
    read: async () => Number((await arm.get<{ tags: { value: string } }>(path, apiVersions.vaults)).tags.value),
  }
}

/** Writes one number after the other and reads each back, until it is stopped. */
export class AcknowledgedWrites {
  readonly register: Register
  /** The highest acknowledged number. */
  acknowledged = 0
  /** When writes were acknowledged, by performance.now(). */
  readonly times: number[] = []
  /** Error codes, with how often each occurred. */
  readonly refusals = new Map<string, number>()
  /** Reads below what had been acknowledged before the read began. */
  readonly stale: { acknowledged: number; read: number }[] = []
  readonly #ended: Promise<void>
  #isOver = false

  constructor(register: Register) {
    this.register = register
    this.#ended = this.#go()
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#ended
  }

  async #go(): Promise<void> {
    for (let value = 1; !this.#isOver; value++) {
      try {
        await this.register.write(value)
        this.acknowledged = value
        this.times.push(performance.now())
        const read = await this.register.read()
        if (read < value) this.stale.push({ acknowledged: value, read })
        await sleep(10)
      } catch (error) {
        const code = error instanceof CliError ? error.code : String((error as { code?: unknown }).code ?? error)
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
        await sleep(100)
      }
    }
  }
}

/** The longest time within [from, to] without an acknowledgement, in milliseconds. */
export function longestGap(writes: readonly AcknowledgedWrites[], from: number, to: number): number {
  const times = writes
    .flatMap((each) => each.times.filter((time) => time >= from && time <= to))
    .toSorted((a, b) => a - b)
  const edges = [from, ...times, to]
  return Math.max(...edges.slice(1).map((time, at) => time - edges[at]!))
}
