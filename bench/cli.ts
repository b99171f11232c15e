import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from '@strongroom/platform'
import { serverCommand } from '../apps/cli/src/up/server-command.ts'
import { median } from './support/measure.ts'
import { endedChildrenSeconds, started, terminate } from './support/process.ts'
import { machineFacts, printReport } from './support/report.ts'

const launcher = resolve(import.meta.dirname, '../strongroom')
const runs = 9
/** Seconds of processor time for a command with one request to the server. */
const wanted = 0.2

const commands = [
  'status',
  'vm list',
  'vm show first',
  'image list',
  'quota list',
  'decision list',
  'cost show',
  'collateral status',
]

interface Figure {
  command: string
  seconds: number
  /** Relative to an empty Node program, in the same run. */
  ratio: number
}

async function ended(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail)
    child.once('close', done)
  })
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${said}`)
}

/** Median processor time of several runs one after the other, including the launcher's programs. */
async function measured(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  await ended(file, args, env)
  const samples: number[] = []
  for (let index = 0; index < runs; index++) {
    const before = await endedChildrenSeconds()
    await ended(file, args, env)
    samples.push((await endedChildrenSeconds()) - before)
  }
  return median(samples)
}

async function measureCommands(home: string): Promise<Figure[]> {
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    STRONGROOM_STATE_DIR: join(home, 'state'),
    STRONGROOM_CACHE_DIR: join(home, 'cache'),
  }
  const server = await serverCommand({
    stateDir: join(home, 'state'),
    cacheDir: join(home, 'cache'),
    tlsPort: String(await freePort()),
    localPort: String(await freePort()),
    compute: 'simulated',
  })
  const child = spawn(server.file, server.args, {
    env: { ...env, ...server.env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    await started(child)
    await ended(launcher, ['vm', 'create', 'first'], env)
    const nothing = await measured(process.execPath, ['-e', '0'], env)
    const figures: Figure[] = []
    for (const command of commands) {
      const seconds = await measured(launcher, command.split(' '), env)
      figures.push({ command, seconds, ratio: seconds / nothing })
    }
    return [{ command: 'node -e 0', seconds: nothing, ratio: 1 }, ...figures]
  } finally {
    await terminate(child)
  }
}

/** Cost of a user's command. @returns whether all stay within the wanted processor time */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const facts = machineFacts()
  const home = await mkdtemp(join(tmpdir(), 'strongroom-bench-cli-'))
  try {
    const figures = await measureCommands(home)
    const reached = figures.every(({ seconds }) => seconds <= wanted)
    const rows = [
      ['', 'processor', 'to node -e 0'],
      ...figures.map((each) => [each.command, `${each.seconds.toFixed(2)} s`, `${each.ratio.toFixed(1)}×`]),
      ['wanted', `${wanted.toFixed(2)} s`, ''],
    ]
    printReport(o, { facts, data: { wanted, figures, reached }, rows })
    return reached
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
