import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import type { PlaneMessage } from '../testing/plane-process.ts'
import {
  group,
  makeNetwork,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../testing/test-plane.ts'

const children: PlaneProcess[] = []
afterEach(() => children.splice(0).forEach((each) => each.kill()))

/** One resource manager in a separate process. */
class PlaneProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (reply: TestReply | undefined) => void>()
  #asked = 0
  /** Operation steps it wrote. */
  worked = 0
  readonly ended: Promise<unknown>
  isOver = false

  private constructor(child: ChildProcess) {
    this.#child = child
    this.ended = once(child, 'exit').then(() => {
      this.isOver = true
      this.#waiting.forEach((answer) => answer(undefined))
    })
  }

  static async start(store: Store, at = 0, signal = 'SIGKILL', from = 'start'): Promise<PlaneProcess> {
    const script = join(import.meta.dirname, '../testing/plane-process.ts')
    const child = fork(script, [store.url, store.service, String(at), signal, from], {
      execArgv: ['--conditions=x-source'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const made = new PlaneProcess(child)
    children.push(made)
    await new Promise<void>((ready) => {
      void made.ended.then(() => ready())
      child.on('message', (message: PlaneMessage) => {
        if ('ready' in message) ready()
        else if ('worked' in message) made.worked += 1
        else made.#waiting.get(message.id)?.(message as TestReply)
      })
    })
    return made
  }

  /** Undefined if the process died before it answered. */
  async send(method: string, path: string, body?: unknown): Promise<TestReply | undefined> {
    const id = (this.#asked += 1)
    const answered = new Promise<TestReply | undefined>((answer) => this.#waiting.set(id, answer))
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.connected) return undefined
    this.#child.send({ id, method, path, body }, () => {})
    return await answered
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Gone, or stopped by a signal: the field after its name in /proc. */
  async hasStopped(): Promise<boolean> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8').catch(() => '')
    return stat === '' || / [TZ] /.test(stat.slice(stat.lastIndexOf(')'), stat.lastIndexOf(')') + 4))
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

const vmCount = 4
const deploymentPath = `${group}/providers/Microsoft.Resources/deployments/d1`
const template: Loose = {
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  parameters: { secret: { type: 'securestring' } },
  resources: Array.from({ length: 12 }, (_, index) => ({
    type: 'Microsoft.Network/publicIPAddresses',
    apiVersion: '2023-09-01',
    name: `ip${index}`,
    location: 'westeurope',
    ...(index > 0 && { dependsOn: [`ip${index - 1}`] }),
  })),
}
const asPlane = (process: PlaneProcess): TestPlane =>
  ({ send: async (...args: [string, string, unknown?]) => (await process.send(...args))! }) as unknown as TestPlane
const unfinished = async (store: Store): Promise<number> =>
  (await store.db.selectFrom('strongroom_operation').select('id').where('ended_at', 'is', null).execute()).length
/** The operations belong to another process, or have ended. */
const hasLeft = async (store: Store, process: PlaneProcess): Promise<boolean> => {
  const rows = await store.db.selectFrom('strongroom_operation').select('lease_owner').execute()
  return rows.every((row) => !String(row['lease_owner']).includes(` ${process.pid} `))
}
const until = async (condition: () => Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}
const powerOf = async (process: PlaneProcess, name: string): Promise<string> =>
  (await process.send('GET', `${vmPath(name)}/instanceView`))!.body.statuses[1].code as string
const names = Array.from({ length: vmCount }, (_, index) => `vm${index}`)

describeStores('a server process', (open) => {
  it('that is ended by kill -9 again and again ends everything as it was asked', async () => {
    const store = await open()
    let process = await PlaneProcess.start(store)
    for (const name of names) await makeNetwork(asPlane(process), name)
    let killed = 0
    /** Every process lives slightly longer than the previous one, so that together they get through everything. */
    const restart = async (): Promise<void> => {
      killed += 1
      process = await PlaneProcess.start(store, 12 + killed)
    }
    process.kill()
    await process.ended
    await restart()
    const send = async (method: string, path: string, body?: unknown): Promise<void> => {
      for (;;) {
        const asked = process
        const reply = await asked.send(method, path, body)
        // A dying process may answer 500 last.
        if (reply !== undefined && reply.status < 500) return
        await asked.ended
        await restart()
      }
    }
    const finish = async (): Promise<void> => {
      while ((await unfinished(store)) > 0) {
        const working = process
        await Promise.race([working.ended, until(async () => working.isOver || (await unfinished(store)) === 0)])
        if (working.isOver) await restart()
      }
    }
    for (const name of names) await send('PUT', vmPath(name), vmRequest(name))
    await finish()
    await send('POST', `${vmPath('vm1')}/deallocate`)
    await send('POST', `${vmPath('vm2')}/restart`)
    await send('DELETE', vmPath('vm3'))
    await finish()
    const last = await PlaneProcess.start(store)
    expect(killed).toBeGreaterThan(5)
    expect(await Promise.all(['vm0', 'vm1', 'vm2'].map(async (name) => await powerOf(last, name)))).toEqual([
      'PowerState/running',
      'PowerState/deallocated',
      'PowerState/running',
    ])
    expect((await last.send('GET', vmPath('vm3')))?.status).toBe(404)
    const reservations = await store.db.selectFrom('quota_reservation').selectAll().execute()
    expect(reservations.map(({ cores }) => Number(cores))).toEqual([2, 2])
  }, 180_000)

  /** A hung process keeps its connections and locks: PostgreSQL lets another one continue beside it. */
  it.each([
    ['SIGKILL', 3],
    ['SIGSTOP', 3],
    ['SIGSTOP', 5],
  ])(
    'that ends by %s before effect %i of an operation leaves its work to another one, which goes on within 10 s',
    async (signal, at) => {
      const store = await open()
      if (signal === 'SIGSTOP' && store.engine === 'sqlite') return
      const other = await PlaneProcess.start(store)
      await makeNetwork(asPlane(other), 'vm0')
      other.kill()
      await other.ended
      const dying = await PlaneProcess.start(store, at, signal, 'work')
      const reply = dying.send('PUT', vmPath('vm0'), vmRequest('vm0'))
      await until(async () => await dying.hasStopped())
      const [operation] = await store.db.selectFrom('strongroom_operation').selectAll().execute()
      expect([operation?.['ended_at'], String(operation?.['lease_owner'])]).toEqual([
        null,
        expect.stringContaining(` ${dying.pid} `),
      ])
      const next = await PlaneProcess.start(store)
      // The start of a process is excluded: this machine's start-up time is not what is measured.
      const since = performance.now()
      await until(async () => await hasLeft(store, dying))
      const seconds = (performance.now() - since) / 1000
      await until(async () => (await unfinished(store)) === 0)
      expect(await powerOf(next, 'vm0')).toBe('PowerState/running')
      expect(seconds).toBeLessThan(10)
      dying.kill()
      await reply
    },
    60_000,
  )

  it('shares the work with another one, which answers for operations of both', async () => {
    const store = await open()
    const two = [await PlaneProcess.start(store), await PlaneProcess.start(store)] as const
    for (const name of names) await makeNetwork(asPlane(two[0]), name)
    const before = two.map((each) => each.worked)
    const replies = await Promise.all(
      names.map(async (name, index) => (await two[index % 2]!.send('PUT', vmPath(name), vmRequest(name)))!),
    )
    const deployed = await two[0].send('PUT', deploymentPath, {
      properties: { mode: 'Incremental', template, parameters: { secret: { value: 'in one process only' } } },
    })
    expect(deployed?.status).toBe(201)
    await until(async () => (await unfinished(store)) === 0)
    // Either may briefly take everything; over a while both work.
    while (!two.every((each, index) => each.worked > before[index]!)) {
      await Promise.all(names.map(async (name, index) => await two[index % 2]!.send('POST', `${vmPath(name)}/restart`)))
      await until(async () => (await unfinished(store)) === 0)
    }
    for (const [index, reply] of replies.entries()) {
      const url = new URL(reply.headers['azure-asyncoperation']!)
      const seen = await two[(index + 1) % 2]!.send('GET', url.pathname + url.search)
      expect(seen?.body.status).toBe('Succeeded')
    }
    // Values of secure parameters are in one process's memory: the other leaves that deployment alone.
    expect((await two[1].send('GET', deploymentPath))?.body.properties.provisioningState).toBe('Succeeded')
  }, 60_000)
})
