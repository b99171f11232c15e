import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverCommand, type ServerCommandOptions } from '../apps/cli/src/up/server-command.ts'
import { freePort } from '@strongroom/platform'
import { median } from './support/measure.ts'
import { processorSeconds, residentMebibytes, started, terminate } from './support/process.ts'
import { step } from './support/progress.ts'
import { machineFacts, printReport } from './support/report.ts'

const starts = 5
/** How long the server is left alone before its memory is read. */
const idleMs = 5_000
/** Of issue 14. */
const goals = { warmMilliseconds: 500, idleMebibytes: 120 }

interface Start {
  /** From the process's start to its report that it is ready. */
  milliseconds: number
  /** Processor time until the memory was read, which other load does not change. */
  processorMilliseconds: number
  residentMebibytes: number
}

export interface ServerFigures {
  /** First start of a new installation, without compiled code. */
  cold: Start
  /** Medians of later starts of that installation. */
  warm: Start
}

/** Starts strongroomd as the CLI does, with separate state and cache directories. */
export async function measureServer(): Promise<ServerFigures> {
  const home = await mkdtemp(join(tmpdir(), 'strongroom-bench-'))
  try {
    const options = { stateDir: join(home, 'state'), cacheDir: join(home, 'cache') }
    step('starts a new installation')
    const cold = await measureStart(home, options)
    const warm: Start[] = []
    for (let index = 0; index < starts; index++) {
      step(`starts it again (${index + 1} of ${starts})`)
      warm.push(await measureStart(home, options))
    }
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
    await started(child)
    const milliseconds = performance.now() - begun
    await sleep(idleMs)
    const pid = child.pid ?? 0
    return {
      milliseconds,
      processorMilliseconds: (await processorSeconds(pid)) * 1000,
      residentMebibytes: await residentMebibytes(pid),
    }
  } finally {
    await terminate(child)
  }
}

/** Start and memory of the server. @returns whether the goals are reached */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const facts = machineFacts()
  const figures = await measureServer()
  const { cold, warm } = figures
  const reached =
    warm.milliseconds <= goals.warmMilliseconds &&
    [cold, warm].every(({ residentMebibytes }) => residentMebibytes <= goals.idleMebibytes)
  const row = (name: string, start: Start): string[] => [
    name,
    `${start.milliseconds.toFixed(0)} ms`,
    `${start.processorMilliseconds.toFixed(0)} ms`,
    `${start.residentMebibytes.toFixed(0)} MiB`,
  ]
  const rows = [
    ['', 'ready', 'processor', `resident after ${idleMs / 1000} s`],
    row('first start, no compiled code', cold),
    row(`later starts, median of ${starts}`, warm),
    ['wanted', `${goals.warmMilliseconds} ms`, '', `${goals.idleMebibytes} MiB`],
  ]
  printReport(o, { facts, data: { goals, figures, reached }, rows })
  return reached
}
