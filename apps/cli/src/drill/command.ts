import { findServer } from '../client/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { randomInt } from 'node:crypto'
import { dirname, join } from 'node:path'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Paths } from '../core/paths.ts'
import type { Result } from '../core/output.ts'
import { selectAttacks } from './catalog.ts'
import { drill, type DrillResult } from './drill.ts'
import { explore, exploredResult, lifeLines, type Explored } from './explore/explore.ts'
import { makeInstallation, parseGuests } from './own-installation.ts'
import { attackLines, drillResult, listResult } from './report.ts'
import { createProgress } from '../up/progress.ts'
import { defaultGroup } from '../up/vm-request.ts'
import { groupOption } from '../commands/vm/resource.ts'

/** Ctrl-C ends the drill in order: running VMs are stopped, and the copies are removed. A second one ends at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort())
  return controller.signal
}

async function drillVms(
  context: CommandContext,
  o: { paths: Paths; vms: readonly string[]; signal: AbortSignal },
): Promise<Result> {
  const list = selectAttacks(namesOf(context))
  const bootLimitSeconds = numberOption(context, 'bootLimit', { from: 1, to: 86_400 })
  const results: DrillResult[] = []
  for (const vm of o.vms) {
    context.say(`${vm}: ${list.length} attacks, each on a copy of the installation`)
    results.push(
      await drill({
        stateDir: o.paths.state,
        cacheDir: o.paths.cache,
        configDir: o.paths.config,
        vm,
        group: textOption(context, 'resourceGroup') ?? defaultGroup,
        attacks: list,
        bootLimitSeconds,
        signal: o.signal,
        trying: (id, title) =>
          void (process.stderr.isTTY && process.stderr.write(`\r\u001b[2K         … ${id}: ${title}`)),
        tried: (result) => {
          if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K')
          for (const line of attackLines(result)) context.say(line)
        },
      }),
    )
  }
  if (!results.every(({ held }) => held)) process.exitCode = exitCodes.failed
  return drillResult(results)
}

/** Lives of each VM until the time is over, from the same seed. */
async function exploreVms(
  context: CommandContext,
  o: { paths: Paths; vms: readonly string[]; signal: AbortSignal },
): Promise<Result> {
  const minutes = numberOption(context, 'explore', { from: 1, to: 10_080 })!
  const seed = numberOption(context, 'seed', { from: 0, to: mostSeeds }) ?? randomInt(mostSeeds)
  const lives = numberOption(context, 'lives', { from: 1, to: 1_000_000 })
  // The copies are removed at the end, and an installation of the drill's own with them.
  const findings = join(dirname(context.paths.state), 'findings.jsonl')
  const results: Explored[] = []
  for (const vm of o.vms) {
    context.say(`${vm}: ${minutes} min of lives, --seed ${seed}`)
    results.push(
      await explore({
        stateDir: o.paths.state,
        cacheDir: o.paths.cache,
        configDir: o.paths.config,
        vm,
        group: textOption(context, 'resourceGroup') ?? defaultGroup,
        minutes,
        lives,
        seed,
        from: numberOption(context, 'from', { from: 0, to: 1_000_000_000 }) ?? 0,
        findings,
        bootLimitSeconds: numberOption(context, 'bootLimit', { from: 1, to: 86_400 }),
        signal: o.signal,
        began: (seconds) => context.say(`${seconds.toFixed(1).padStart(6)} s ✓ control boot`),
        lived: (life) => {
          for (const line of lifeLines(seed, life)) context.say(line)
        },
      }),
    )
  }
  if (!results.every(({ held }) => held)) process.exitCode = exitCodes.failed
  return exploredResult(results, findings)
}

const namesOf = (context: CommandContext): string[] => {
  const only = context.options['only']
  if (only === undefined || typeof only === 'boolean') return []
  return (Array.isArray(only) ? only : [only]).flatMap((each) => each.split(','))
}

const mostSeeds = 2 ** 31

/** A whole number, where one is given. @throws CliError InvalidArgument */
function numberOption(
  context: CommandContext,
  name: string,
  { from, to }: { from: number; to: number },
): number | undefined {
  const text = textOption(context, name)
  if (text === undefined) return undefined
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= from && number <= to) return number
  throw new CliError({
    code: 'InvalidArgument',
    message: `'${text}' is not a whole number for --${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.`,
    expected: `a number from ${from} to ${to}`,
    found: text,
    remedy: 'See `strongroom drill --help`.',
    exitCode: exitCodes.usage,
  })
}

/** The copies use the installation's ports, and its files must be at rest. */
async function refuseWhileServed(stateDir: string): Promise<void> {
  const running = await findServer(stateDir)
  if (running === undefined) return
  throw new CliError({
    code: 'AlreadyRunning',
    message: `A server runs for ${stateDir} (pid ${running.pid}): its VMs cannot be copied while they might be running.`,
    expected: 'an installation whose server is not running',
    remedy: 'Stop it with Ctrl-C where `strongroom up` runs, run the drill, then start it again.',
  })
}

export const drillCommand: Command = {
  words: ['drill'],
  args: ['[vm]'],
  summary:
    'attack copies of a VM as a malicious host would, and report what held; without a name, VMs created for it in a temporary folder',
  options: [
    groupOption,
    { flags: '--list', summary: 'list the attacks without trying any' },
    {
      flags: '--only <ids...>',
      summary: 'only these: D1/null-ecb is one attack, D1 is every attack in that row of docs/proof/attacks.md',
    },
    {
      flags: '--guest <kinds>',
      summary: 'without a VM: snp, tdx, nonpersisted, customer-key, comma-separated',
      default: 'snp',
    },
    {
      flags: '--boot-limit <seconds>',
      summary: 'time for a guest to report; by default four times the time of the control run',
    },
    {
      flags: '--explore <minutes>',
      summary: 'instead of the attacks: change what the host gives the VM, one by one and in pairs, life by life',
    },
    { flags: '--seed <number>', summary: 'with --explore: repeats its choices; by default another each time' },
    { flags: '--lives <number>', summary: 'with --explore: at most so many' },
    { flags: '--from <number>', summary: 'with --explore: the first life; the others of the seed come after it' },
  ],
  examples: [
    'strongroom drill first',
    'strongroom drill first --only D1 V9/rolled-back',
    'strongroom drill --guest snp,tdx',
    'strongroom drill first --explore 60 --seed 7',
  ],
  run: async (context) => {
    const names = namesOf(context)
    if (context.options['list'] === true) return listResult(selectAttacks(names))
    selectAttacks(names)
    const signal = interruption()
    const run = context.options['explore'] === undefined ? drillVms : exploreVms
    const [vm] = context.args
    if (vm !== undefined) {
      await refuseWhileServed(context.paths.state)
      return await run(context, { paths: context.paths, vms: [vm], signal })
    }
    const guests = parseGuests(textOption(context, 'guest') ?? 'snp')
    const progress = createProgress(context.say, process.stderr.isTTY ? process.stderr : undefined)
    const own = await makeInstallation({ cacheDir: context.paths.cache, guests, progress, signal })
    try {
      return await run(context, { paths: own.paths, vms: guests, signal })
    } finally {
      await own.remove()
    }
  },
}
