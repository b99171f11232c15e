import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ErrorDetail, HostView, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Customer, type MadeSet } from './support/customer-keys.ts'
import { TestInstallation } from './support/installation.ts'
import { JoinedHosts } from './support/joined-hosts.ts'
import { scheduledEvents } from './support/scheduled-events.ts'
import { readEvidence, statusOf, type VmView } from './support/vm.ts'

/** One guest under a customer's key, booted on a joined host. The tests share it, in this order. */
const installation = await TestInstallation.create()
const customer = new Customer(installation)
const name = 'mine'
const wrapping = ['get', 'wrapkey', 'unwrapkey']
const releasing = ['get', 'release']
let hosts: JoinedHosts
let key: string
let set: MadeSet
let orchestrator: string

beforeAll(async () => {
  hosts = await JoinedHosts.prepare(installation)
  await installation.start({}, ['--fleet-address', hosts.address])
  await installation.must('image', 'build')
  orchestrator = await customer.orchestrator()
  await customer.putVault()
  key = await customer.makeKey(`${customer.vault}.vault.strongroom.internal`)
  set = await customer.makeSet(key)
  await hosts.join('a', 8)
})

afterAll(async () => {
  await hosts.remove()
  await installation.remove()
})

const give = async (o: { set: string[]; orchestrator: string[] }): Promise<void> => {
  const list = [
    { objectId: set.identity.principalId, keys: o.set },
    { objectId: orchestrator, keys: o.orchestrator },
  ]
  await customer.putVault(list.filter(({ keys }) => keys.length > 0))
}
const stateOf = async (host: string): Promise<string> => (await installation.must<HostView>('host', 'show', host)).state
const placement = async (): Promise<VmPlacement> => await installation.must('vm', 'show', name, '--placement')
const refusal = async (...args: string[]): Promise<ErrorDetail> => {
  const outcome = await installation.cli(...args)
  expect(outcome.code, outcome.stdout).not.toBe(0)
  return (outcome.json as { error: ErrorDetail }).error
}

describe('a guest on a joined host under a customer’s key', () => {
  it('boots there with the key released to it, and is trusted', async () => {
    await expect.poll(async () => await stateOf('a'), { interval: 2_000 }).toBe('Ready')
    await give({ set: wrapping, orchestrator: releasing })
    await installation.must('vm', 'create', name, '--disk-encryption-set', set.id)
    expect(await placement()).toMatchObject({ host: 'a', epoch: 1 })
    const { trusted, links } = await installation.must<{ trusted: boolean; links: { id: string; shows: string[] }[] }>(
      'vm',
      'trust',
      name,
    )
    expect(trusted).toBe(true)
    expect(links.find(({ id }) => id === 'customer-key')?.shows[0]).toBe(
      `key disk, version ${key.split('/').at(-1)}, of customer-box.vault.strongroom.internal`,
    )
    const { customerRelease } = await readEvidence(installation, name)
    expect(customerRelease).toMatchObject({ keyId: key, diskEncryptionSet: set.id })
  })

  it('leaves no token of the set’s identity on the host', async () => {
    const log = await readFile(join(hosts.directoryOf('a'), 'host.log'), 'utf8')
    expect(log).not.toContain('eyJ')
  })

  it('goes on elsewhere, with the key released to it there, once it has approved its move', async () => {
    await hosts.join('b', 8)
    await expect.poll(async () => await stateOf('b'), { interval: 2_000 }).toBe('Ready')
    await installation.must('vm', 'update', name, '--move-notice', '60')
    const draining = installation.cli('host', 'drain', 'a')
    await expect
      .poll(async () => await scheduledEvents(installation, name), { interval: 2_000 })
      .toMatchObject([{ EventType: 'Redeploy', EventStatus: 'Scheduled', Resources: [name] }])
    const [event] = await scheduledEvents(installation, name)
    expect(Date.parse(event!.NotBefore)).toBeGreaterThan(Date.now() + 50 * 60_000)
    await scheduledEvents(installation, name, event!.EventId)
    const drained = await draining
    expect(drained.code).toBe(0)
    expect(drained.stderr).toContain(`${name} moves at `)
    const powerOf = async (): Promise<string> =>
      statusOf(await installation.must<VmView>('vm', 'show', name), 'PowerState/').code
    await expect.poll(powerOf, { timeout: 300_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await placement()).toMatchObject({ host: 'b', epoch: 2 })
    expect((await readEvidence(installation, name)).customerRelease).toMatchObject({ keyId: key })
    expect((await installation.must<{ trusted: boolean }>('vm', 'trust', name)).trusted).toBe(true)
  })

  it('does not start once the customer takes the key back', async () => {
    await installation.must('vm', 'deallocate', name)
    await give({ set: wrapping, orchestrator: [] })
    expect(await refusal('vm', 'start', name)).toMatchObject({ code: 'KeyReleaseRefused' })
  })
})
