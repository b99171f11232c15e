import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverCommand, type ServerCommandOptions } from '../apps/cli/src/up/server-command.ts'
import { table } from './measure.ts'

const starts = 5
/** How long the server is left alone before its memory is read. */
const idleMs = 5_000
const goals = { warmMilliseconds: 1_000, idleMebibytes: 130 }

interface Start {
  /** From the process's start to its report that it is ready. */
  milliseconds: number
  /** Processor time up to when the memory was read: what a busy machine does not change. */
  processorMilliseconds: number
  residentMebibytes: number
}

export interface ServerFigures {
  /** First start of a new installation, without compiled code. */
  cold: Start
  /** Medians of the starts of that installation after it. */
  warm: Start
}

/** Starts strongroomd as the CLI does, on a state and a cache directory of its own. */
export async function measureServer(): Promise<ServerFigures> {
  const home = await mkdtemp(join(tmpdir(), 'strongroom-bench-'))
  try {
    const options = { stateDir: join(home, 'state'), cacheDir: join(home, 'cache') }
    const cold = await measureStart(home, options)
    const warm: Start[] = []
    for (let index = 0; index < starts; index++) warm.push(await measureStart(home, options))
    const over = (figure: (start: Start) => number): number => median(warm.map(figure))
    return {
      cold,
      warm: {
        milliseconds: over((start) => start.milliseconds),
        processorMilliseconds: over((start) => start.processorMilliseconds),
        residentMebibytes: over((start) => start.residentMebibytes),
      },
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function measureStart(home: string, options: ServerCommandOptions): Promise<Start> {
  const ports = { tlsPort: String(await freePort()), localPort: String(await freePort()) }
  const command = await serverCommand({ ...options, ...ports })
  const begun = performance.now()
  const child = spawn(command.file, command.args, {
    env: { PATH: process.env['PATH'], HOME: home, ...command.env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const message = await firstMessage(child)
    const milliseconds = performance.now() - begun
    if (message.type !== 'ready') throw new Error(`the server did not start: ${JSON.stringify(message)}`)
    await sleep(idleMs)
    return { milliseconds, ...(await figuresOf(child.pid ?? 0)) }
  } finally {
    await end(child)
  }
}

async function firstMessage(child: ChildProcess): Promise<{ type: string }> {
  return await new Promise((done, fail) => {
    child.once('message', (message) => done(message as { type: string }))
    child.once('error', fail)
    child.once('exit', (code, signal) => fail(new Error(`the server ended before it was ready: ${code ?? signal}`)))
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await ended
}

/** From /proc (proc_pid_stat(5)): utime and stime in hundredths of a second, VmRSS in KiB. */
async function figuresOf(pid: number): Promise<{ processorMilliseconds: number; residentMebibytes: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return {
    processorMilliseconds: (Number(fields[11]) + Number(fields[12])) * 10,
    residentMebibytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024,
  }
}

async function freePort(): Promise<number> {
  return await new Promise((done, fail) => {
    const probe = createServer()
    probe.once('error', fail)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => done(port))
    })
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** Start and memory of the server. @returns whether the goals are reached */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const load = loadavg()[0] ?? 0
  const figures = await measureServer()
  const { cold, warm } = figures
  const reached =
    warm.milliseconds <= goals.warmMilliseconds &&
    [cold, warm].every(({ residentMebibytes }) => residentMebibytes <= goals.idleMebibytes)
  const facts = { processor: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), load, node: process.version }
  if (o.json) {
    process.stdout.write(`${JSON.stringify({ facts, goals, figures, reached }, undefined, 2)}\n`)
    return reached
  }
  const row = (name: string, start: Start): string[] => [
    name,
    `${start.milliseconds.toFixed(0)} ms`,
    `${start.processorMilliseconds.toFixed(0)} ms`,
    `${start.residentMebibytes.toFixed(0)} MiB`,
  ]
  const lines = table([
    ['', 'ready', 'processor', `resident after ${idleMs / 1000} s`],
    row('first start, no compiled code', cold),
    row(`later starts, median of ${starts}`, warm),
    ['wanted', `${goals.warmMilliseconds} ms`, '', `${goals.idleMebibytes} MiB`],
  ])
  process.stdout.write(
    `${lines}\n${facts.processor}, ${facts.cores} cores, load ${load.toFixed(1)}, Node ${facts.node}\n`,
  )
  return reached
}
