import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { joinFleet } from '@strongroom/host/agent'
import { HostProbe } from './fleet/host-probe.ts'
import { serverNodeOptions } from '../apps/cli/src/up/server-command.ts'
import { Caller, type Call } from './hostile/calls.ts'
import type { Attack } from './hostile/attacker.ts'
import type { HostileReady, Spent } from './hostile/server.ts'
import { quantile } from './support/measure.ts'
import { step } from './support/progress.ts'
import { answerOf, ask, end } from './support/process.ts'
import { machineFacts, printReport } from './support/report.ts'

const goals = {
  tailOverUnloaded: 3,
  refusals: 0,
  /** Of one request: the thread’s time in one turn of the event loop, in milliseconds, and MiB of heap. */
  held: 50,
  heap: 32,
  /** Seconds that a host's renewal of its lease takes: half a lease. */
  renewal: 5,
}
const attacks: readonly Attack[] = [
  '1,000 silent connections',
  '1,000 bad sign-ins',
  'one guest at full rate',
  'the costliest requests at full rate',
]
/** Of each kind of call. */
const perSecond = 10

/** What other callers saw, in milliseconds from when a call was due. */
interface Seen {
  /** By the name of the call. */
  latencies: Record<string, number[]>
  refused: number
}

interface Figure {
  attack: Attack
  call: string
  median: number
  p99: number
  overUnloaded: number
}

/**
 * What other callers notice of an attack: attest calls, sign-ins, key releases and reads of the resource manager, each
 * on a separate connection, before and during each attack, in one run. The baseline is measured around each attack, so
 * that other load affects both. @returns whether the goals are reached
 */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const seconds = Number(process.env['STRONGROOM_BENCH_SECONDS'] ?? 20)
  const facts = machineFacts()
  step('starts an installation')
  const server = fork(join(import.meta.dirname, 'hostile/server.ts'), [], {
    execArgv: [...serverNodeOptions, '--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const figures: Figure[] = []
  const costs: Cost[] = []
  const renewals: { attack: Attack; worst: number }[] = []
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-bench-hostile-'))
  let probe: HostProbe | undefined
  let refused = 0
  try {
    const ready = await answerOf<HostileReady>(server)
    step(`calls as others do, for ${seconds / 2} s: compiled code and caches first`)
    await observe(ready, seconds / 2)
    await joinFleet({ directory: folder, ...ready.host })
    probe = await HostProbe.open(folder)
    const host = probe
    for (const call of ready.costly) {
      step(`sends ${call.name}`)
      costs.push(await costOf(server, ready, call))
    }
    await ask(server, { ask: 'rest' })
    for (const attack of attacks) {
      step(`calls as others do, for ${seconds / 2} s`)
      const before = await observe(ready, seconds / 2)
      step(`the same for ${seconds} s under ${attack}`)
      const [during, taken] = await under(
        attack,
        ready,
        async () => await Promise.all([observe(ready, seconds), host.renewals(seconds)]),
      )
      renewals.push({ attack, worst: Math.max(...taken) / 1000 })
      step(`the same for ${seconds / 2} s after it`)
      await sleep(2_000)
      const after = await observe(ready, seconds / 2)
      refused += before.refused + during.refused + after.refused
      for (const { name } of ready.calls) {
        const unloaded = [...before.latencies[name]!, ...after.latencies[name]!]
        const found = during.latencies[name]!
        const [median, p99] = [quantile(found, 0.5), quantile(found, 0.99)]
        figures.push({ attack, call: name, median, p99, overUnloaded: p99 / quantile(unloaded, 0.99) })
      }
    }
  } finally {
    probe?.close()
    await end(server)
    await rm(folder, { recursive: true, force: true })
  }
  const worst = Math.max(...figures.map(({ overUnloaded }) => overUnloaded))
  const isCheap = costs.every(({ held, heap }) => held <= goals.held && heap <= goals.heap)
  const keepsHosts = renewals.every((each) => each.worst <= goals.renewal)
  const reached = worst <= goals.tailOverUnloaded && refused <= goals.refusals && isCheap && keepsHosts
  const rows = [
    ['', 'median', 'p99', 'p99 over unloaded', 'wanted'],
    ...figures.map(({ attack, call, median, p99, overUnloaded }) => [
      `${attack}: ${call}`,
      `${median.toFixed(1)} ms`,
      `${p99.toFixed(1)} ms`,
      overUnloaded.toFixed(1),
      `≤ ${goals.tailOverUnloaded}`,
    ]),
    ['refused', '', '', String(refused), String(goals.refusals)],
    ...renewals.map(({ attack, worst: longest }) => [
      `${attack}: a host renews its lease`,
      '',
      `${longest.toFixed(2)} s`,
      'worst',
      `≤ ${goals.renewal} s`,
    ]),
    ['one request', 'thread', 'held at a time', 'heap', 'wanted'],
    ...costs.map(({ call, status, thread, held, heap }) => [
      `${call} (${status})`,
      `${thread.toFixed(0)} ms`,
      `${held.toFixed(0)} ms`,
      `${heap.toFixed(0)} MiB`,
      `≤ ${goals.held} ms, ≤ ${goals.heap} MiB`,
    ]),
  ]
  printReport(o, { facts, data: { goals, figures, costs, renewals, refused, worst, reached }, rows })
  return reached
}

interface Cost extends Spent {
  call: string
  /** Of the answer: what is refused at once costs nothing and shows nothing. */
  status: number
}

/** Of one request, the worst of several; compiled code first. */
async function costOf(server: ChildProcess, ready: HostileReady, call: Call): Promise<Cost> {
  const caller = new Caller({ ...ready, connections: 1, keepAlive: true })
  const spent: Spent[] = []
  let status = 0
  for (let n = 0; n < 6; n++) {
    const before = await ask<Spent>(server, { ask: 'spent' })
    const idle = await ask<Spent>(server, { ask: 'spent' })
    status = await caller.send(call)
    const { thread, held, heap } = await ask<Spent>(server, { ask: 'spent' })
    if (n > 0) spent.push({ thread, held, heap: heap - Math.min(before.heap, idle.heap) })
  }
  caller.close()
  const most = (of: keyof Spent): number => Math.max(...spent.map((each) => each[of]))
  return { call: call.name, status, thread: most('thread'), held: most('held'), heap: most('heap') }
}

async function under<T>(attack: Attack, ready: HostileReady, work: () => Promise<T>): Promise<T> {
  const attacker = fork(join(import.meta.dirname, 'hostile/attacker.ts'), [], {
    execArgv: ['--conditions=x-source'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    await ask(attacker, { attack, ready })
    return await work()
  } finally {
    const ended = new Promise((done) => attacker.once('exit', done))
    attacker.kill('SIGKILL')
    await ended
  }
}

/** Calls of all kinds at a fixed rate, whether earlier ones were answered or not. */
async function observe(ready: HostileReady, seconds: number): Promise<Seen> {
  const caller = new Caller({ ...ready, connections: 64, keepAlive: false })
  const seen: Seen = { latencies: Object.fromEntries(ready.calls.map(({ name }) => [name, []])), refused: 0 }
  const one = async (call: Call, due: number): Promise<void> => {
    const status = await caller.send(call)
    seen.latencies[call.name]!.push(performance.now() - due)
    if (status !== 200) seen.refused += 1
  }
  const pending: Promise<void>[] = []
  const begun = performance.now()
  const count = perSecond * ready.calls.length * seconds
  for (let index = 0; index < count; index++) {
    const due = begun + (index * 1000) / (perSecond * ready.calls.length)
    const wait = due - performance.now()
    if (wait > 1) await sleep(wait)
    pending.push(one(ready.calls[index % ready.calls.length]!, due))
  }
  await Promise.all(pending)
  caller.close()
  return seen
}
