import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock, type Clock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import { createLogger } from '../log/logger.ts'
import type { Store } from '../store/store-types.ts'
import { describeStores } from '../testing/stores.ts'
import { OperationRunner } from './runner.ts'
import type { SagaDefinition, StepContext } from './saga.ts'

const logger = createLogger({ level: 'silent' })

interface Params {
  failAt?: string
  waitAt?: string
}

/** Three steps that record their execution. */
function saga(trace: string[], gate?: Promise<void>): SagaDefinition<Params> {
  const step = (name: string): SagaDefinition<Params>['steps'][number] => ({
    name,
    do: async (c: StepContext<Params>) => {
      trace.push(`do ${name}`)
      c.progress(`${name} is under way`)
      if (c.params.waitAt === name) await Promise.race([gate, aborted(c.signal)])
      if (c.params.failAt === name) {
        throw new ServiceError({ code: 'Conflict', message: `${name} broke`, remedy: 'mend it' })
      }
      return { [name]: true, order: [...((c.data.order as string[] | undefined) ?? []), name] }
    },
    undo: async (c) => {
      trace.push(`undo ${name} after ${(c.data.order as string[]).join(',')}`)
    },
  })
  return {
    kind: 'paint',
    steps: [step('a'), step('b'), step('c')],
    onFinished: async ({ status }) => {
      trace.push(status)
    },
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
    if (signal.aborted) reject(new Error('aborted'))
  })
}

function makeRunner(
  store: Store,
  trace: string[],
  o: { gate?: Promise<void>; leaseSeconds?: number; clock?: Clock } = {},
): OperationRunner {
  const leaseSeconds = o.leaseSeconds ?? 30
  const runner = new OperationRunner({ store, logger, clock: o.clock ?? systemClock, owner: 'test', leaseSeconds })
  runner.define(saga(trace, o.gate))
  onTestFinished(() => runner.stop())
  return runner
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(condition, { interval: 10 }).toBe(true)
}

/** Leases on a clock that the test moves, so that a pause of this process expires none. */
class LeaseTime implements Clock {
  readonly leaseSeconds = 0.3
  #now = Date.now()

  now(): Date {
    return new Date(this.#now)
  }

  /** Repeatedly lets two thirds of a lease pass, renewing these operations' leases each time. */
  async passes(store: Store, ids: string[], then: () => Promise<void>): Promise<void> {
    for (let part = 0; part < 6; part++) {
      this.#now += (this.leaseSeconds * 2_000) / 3
      const end = new Date(this.#now + this.leaseSeconds * 1000).toISOString()
      await until(async () => {
        const query = store.db.selectFrom('strongroom_operation').select('lease_until').where('id', 'in', ids)
        return (await query.execute()).every((row) => row['lease_until'] === end)
      })
      await then()
    }
  }
}

describeStores('OperationRunner', (open) => {
  it('runs the steps in order and hands each the results of the earlier ones', async () => {
    const trace: string[] = []
    const runner = makeRunner(await open(), trace)
    await runner.start()
    const { id } = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {} })
    const operation = await runner.wait(id)
    expect(operation).toMatchObject({ status: 'Succeeded', resourceId: 'r', kind: 'paint' })
    expect(operation.steps.map((step) => [step.name, step.state, step.message])).toEqual([
      ['a', 'Done', 'a is under way'],
      ['b', 'Done', 'b is under way'],
      ['c', 'Done', 'c is under way'],
    ])
    expect(trace).toEqual(['do a', 'do b', 'do c', 'Succeeded'])
    expect((await runner.listFor('r')).map((entry) => entry.id)).toEqual([id])
  })

  it('undoes what was done in reverse and keeps why it failed', async () => {
    const trace: string[] = []
    const runner = makeRunner(await open(), trace)
    await runner.start()
    const { id } = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { failAt: 'c' } })
    const operation = await runner.wait(id)
    expect(operation.status).toBe('Failed')
    expect(operation.error).toEqual({ code: 'Conflict', message: 'c broke', innererror: { remedy: 'mend it' } })
    expect(operation.steps.map((step) => step.state)).toEqual(['Undone', 'Undone', 'Failed'])
    expect(trace).toEqual(['do a', 'do b', 'do c', 'undo b after a,b', 'undo a after a,b', 'Failed'])
  })

  it('goes on undoing the others when one cannot be undone', async () => {
    const store = await open()
    const undone: string[] = []
    const runner = new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
    onTestFinished(() => runner.stop())
    const fail = (): Promise<never> => Promise.reject(new Error('stuck'))
    runner.define({
      kind: 'stubborn',
      steps: [
        { name: 'a', do: async () => {}, undo: async () => void undone.push('a') },
        { name: 'b', do: async () => {}, undo: fail },
        { name: 'c', do: fail },
      ],
    })
    await runner.start()
    const { id } = await runner.submit({ kind: 'stubborn', resourceId: 'r', principal: 'p', params: {} })
    const operation = await runner.wait(id)
    expect(undone).toEqual(['a'])
    expect(operation.steps.map((step) => step.state)).toEqual(['Undone', 'Failed', 'Failed'])
    expect(JSON.stringify(operation)).not.toContain('stuck')
  })

  it('returns the first operation for a repeated idempotency key, also when both come at once', async () => {
    const trace: string[] = []
    const runner = makeRunner(await open(), trace)
    await runner.start()
    const submit = (resourceId: string): Promise<{ id: string }> =>
      runner.submit({ kind: 'paint', resourceId, principal: 'p', params: {}, idempotencyKey: 'k' })
    const [first, second] = await Promise.all([submit('r'), submit('r')])
    expect(second.id).toBe(first.id)
    expect((await submit('other')).id).not.toBe(first.id)
    await runner.wait(first.id)
    expect((await submit('r')).id).toBe(first.id)
  })

  it('runs operations of one resource one after the other, in order, and those of others meanwhile', async () => {
    const trace: string[] = []
    let openGate = (): void => {}
    const gate = new Promise<void>((resolve) => (openGate = resolve))
    const runner = makeRunner(await open(), trace, { gate })
    await runner.start()
    const first = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { waitAt: 'b' } })
    const second = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {} })
    const other = await runner.submit({ kind: 'paint', resourceId: 's', principal: 'p', params: {} })
    await runner.wait(other.id)
    expect((await runner.get(second.id))?.steps.map((step) => step.state)).toEqual(['Pending', 'Pending', 'Pending'])
    openGate()
    const [a, b] = await Promise.all([runner.wait(first.id), runner.wait(second.id)])
    expect(a.endedAt! <= b.steps[0]!.startedAt!).toBe(true)
  })

  it('begins nothing of a transaction that was rolled back, and starts what was committed', async () => {
    const trace: string[] = []
    const store = await open()
    const runner = makeRunner(store, trace)
    await runner.start()
    const broken = store.transaction(async (tx) => {
      await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {}, tx })
      throw new Error('no')
    })
    await expect(broken).rejects.toThrow('no')
    expect(await runner.listFor('r')).toEqual([])
    const { id } = await store.transaction((tx) =>
      runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {}, tx }),
    )
    expect((await runner.wait(id)).status).toBe('Succeeded')
    expect(trace).toHaveLength(4)
  })

  it('cancels: what was done is undone', async () => {
    const trace: string[] = []
    const runner = makeRunner(await open(), trace, { gate: new Promise(() => {}) })
    await runner.start()
    const { id } = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { waitAt: 'b' } })
    await until(() => trace.includes('do b'))
    expect(await runner.cancel(id)).toBe(true)
    const operation = await runner.wait(id)
    expect(operation).toMatchObject({ status: 'Canceled', error: { code: 'OperationCanceled' } })
    expect(trace).toEqual(['do a', 'do b', 'undo a after a', 'Canceled'])
    expect(await runner.cancel(id)).toBe(false)
  })

  it('interrupts at a stop and goes on at the same step at the next start', async () => {
    const store = await open()
    const before: string[] = []
    const first = makeRunner(store, before, { gate: new Promise(() => {}) })
    await first.start()
    const { id } = await first.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { waitAt: 'b' } })
    await until(() => before.includes('do b'))
    const waiting = first.wait(id).catch((error: unknown) => error)
    await first.stop()
    expect(await waiting).toMatchObject({ code: 'OperationInterrupted' })
    const after: string[] = []
    const second = makeRunner(store, after, { gate: Promise.resolve() })
    await second.start()
    expect((await second.wait(id)).status).toBe('Succeeded')
    expect(after).toEqual(['do b', 'do c', 'Succeeded'])
  })

  it('stops although a step does not heed its signal, and lets that step change nothing any more', async () => {
    const store = await open()
    let release = (): void => {}
    let entered = false
    const runner = new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
    runner.define({
      kind: 'deaf',
      steps: [
        {
          name: 'a',
          do: () => {
            entered = true
            return new Promise<void>((resolve) => (release = resolve))
          },
        },
      ],
    })
    await runner.start()
    const { id } = await runner.submit({ kind: 'deaf', resourceId: 'r', principal: 'p', params: {} })
    await until(() => entered)
    await runner.stop()
    release()
    await sleep(50)
    expect((await runner.get(id))?.steps[0]?.state).toBe('Running')
  })

  it('goes on undoing when it was stopped in the midst of that', async () => {
    const store = await open()
    let undos = 0
    const define = (runner: OperationRunner, undo: (c: StepContext<object>) => Promise<void>): void =>
      runner.define<object>({
        kind: 'undoing',
        steps: [
          { name: 'a', do: async () => {}, undo },
          { name: 'b', do: () => Promise.reject(new ServiceError({ code: 'Conflict', message: 'x' })) },
        ],
      })
    const make = (): OperationRunner => new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
    const first = make()
    define(first, async (c) => {
      undos += 1
      await aborted(c.signal)
    })
    await first.start()
    const { id } = await first.submit({ kind: 'undoing', resourceId: 'r', principal: 'p', params: {} })
    await until(() => undos === 1)
    await first.stop()
    expect((await first.get(id))?.status).toBe('Undoing')
    const second = make()
    onTestFinished(() => second.stop())
    define(second, async () => {
      undos += 1
    })
    await second.start()
    expect(await second.wait(id)).toMatchObject({ status: 'Failed', error: { code: 'Conflict' } })
    expect(undos).toBe(2)
  })

  it('never runs one operation in two runners at once', async () => {
    const store = await open()
    const other = await open({ sameAs: store })
    const trace: string[] = []
    const runners = [makeRunner(store, trace), makeRunner(other, trace)]
    await Promise.all(runners.map((runner) => runner.start()))
    const submitted = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        runners[i % 2]!.submit({ kind: 'paint', resourceId: `r${i}`, principal: 'p', params: {} }),
      ),
    )
    await Promise.all(submitted.map(({ id }, i) => runners[(i + 1) % 2]!.wait(id)))
    expect(trace).toHaveLength(12 * 4)
  })

  it('leaves an operation to the runner that it was submitted to, where that one alone can do it', async () => {
    const store = await open()
    const time = new LeaseTime()
    const other: string[] = []
    const idle = makeRunner(await open({ sameAs: store }), other, { clock: time })
    await idle.start()
    const trace: string[] = []
    const runner = makeRunner(store, trace, { leaseSeconds: time.leaseSeconds, clock: time })
    // Not begun yet: its initial lease is renewed all the same.
    let openGate = (): void => {}
    const gate = new Promise<void>((resolve) => (openGate = resolve))
    const busy = makeRunner(store, [], { gate, clock: time })
    await busy.start()
    const before = await busy.submit({
      kind: 'paint',
      resourceId: 'r',
      principal: 'p',
      params: { waitAt: 'a' },
      here: true,
    })
    await runner.start()
    const { id } = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {}, here: true })
    await time.passes(store, [id], async () => await takesWhatIsFree(idle))
    openGate()
    await Promise.all([busy.wait(before.id), runner.wait(id)])
    expect([trace.length, other.length]).toEqual([4, 6 * 4])
  })

  it('leaves an operation alone whose holder still renews its lease', async () => {
    const store = await open()
    const time = new LeaseTime()
    const trace: string[] = []
    const { leaseSeconds } = time
    const holder = makeRunner(store, trace, { gate: new Promise(() => {}), leaseSeconds, clock: time })
    await holder.start()
    const { id } = await holder.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { waitAt: 'a' } })
    await until(() => trace.includes('do a'))
    const other: string[] = []
    const idle = makeRunner(await open({ sameAs: store }), other, { clock: time })
    await idle.start()
    await time.passes(store, [id], async () => await takesWhatIsFree(idle))
    expect([trace, other.length]).toEqual([['do a'], 6 * 4])
  })

  it('takes over at the same step when the process that held it was killed', async () => {
    const store = await open()
    const child = startChild(store)
    const lines: string[] = []
    child.stdout?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')))
    await until(() => lines.includes('in b'))
    const trace: string[] = []
    const runner = makeRunner(store, trace)
    await runner.start()
    await sleep(700)
    expect(trace).toEqual([])
    child.kill('SIGKILL')
    await once(child, 'exit')
    const [operation] = await runner.listFor('r')
    expect((await runner.wait(operation!.id)).status).toBe('Succeeded')
    expect(trace).toEqual(['do b', 'do c', 'Succeeded'])
  })

  it('takes over when the lease ran out because its holder hangs', async () => {
    const store = await open()
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-hang-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const child = startChild(store, '1', join(directory, 'wake'))
    const lines: string[] = []
    child.stdout?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')))
    await until(() => lines.includes('in b'))
    const trace: string[] = []
    const runner = makeRunner(store, trace)
    await runner.start()
    const [operation] = await runner.listFor('r')
    expect((await runner.wait(operation!.id)).status).toBe('Succeeded')
    expect(trace).toEqual(['do b', 'do c', 'Succeeded'])
    // The hung process wakes up and must not overwrite the result.
    writeFileSync(join(directory, 'wake'), '')
    await until(() => lines.includes('aborted b'))
    expect((await runner.get(operation!.id))?.status).toBe('Succeeded')
  })
})

/** The runner has looked for work after this: its own operation is done. */
async function takesWhatIsFree(runner: OperationRunner): Promise<void> {
  const { id } = await runner.submit({ kind: 'paint', resourceId: 'own', principal: 'p', params: {}, here: true })
  await runner.wait(id)
}

/** Another process that submits an operation and hangs in its step b. */
function startChild(store: Store, leaseSeconds = '30', ...file: string[]): ChildProcess {
  const script = join(import.meta.dirname, '../testing/hanging-runner.ts')
  const child = spawn(
    process.execPath,
    ['--conditions=x-source', script, store.url, store.service, leaseSeconds, ...file],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}
