import { join } from 'node:path'
import { askAsOwner } from '../client/https.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'

interface Fault {
  id: string
  kind: string
  once: boolean
  target?: string
  step?: string
  milliseconds?: number
}

interface Status {
  clock: { now: string; aheadSeconds: number }
  faults: Fault[]
}

const ask = async <T>(context: CommandContext, path: string, body: object): Promise<T> =>
  await askAsOwner<T>(join(context.paths.state, 'run', 'test.sock'), path, body).catch((error: unknown) => {
    if (!(error instanceof CliError) || error.code !== 'OwnerSignInFailed') throw error
    throw new CliError({
      code: 'NoTestApi',
      message: `No server with a test API is running for ${context.paths.state}.`,
      expected: 'a server started with --test-api',
      remedy: 'Start it with: strongroom up --no-vm --compute simulated --test-api',
      exitCode: exitCodes.notRunning,
      cause: error,
    })
  })

const columns = ['Fault', 'Kind', 'Once', 'Target', 'Step', 'Milliseconds']
const row = (fault: Fault): string[] => [
  fault.id,
  fault.kind,
  fault.once ? 'yes' : 'no',
  fault.target ?? 'everything',
  fault.step ?? '',
  String(fault.milliseconds ?? ''),
]

const shown = (status: Status): Result => ({
  data: status,
  lines: [
    `clock: ${status.clock.now}, ${status.clock.aheadSeconds} s ahead`,
    ...(status.faults.length === 0 ? ['no faults'] : status.faults.map((fault) => row(fault).join('  '))),
  ],
})

/** `+90s`, `+15m`, `+2h`, `+30d` in seconds. */
function secondsOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^\+(\d{1,9})([smhd])$/.exec(text) ?? []
  const factor = { s: 1, m: 60, h: 3_600, d: 86_400 }[unit]
  return factor === undefined ? undefined : Number(count) * factor
}

/** What emulator users expect besides the wire (docs/proof/testing.md); only if the server was started with --test-api. */
export const testCommands: Command[] = [
  {
    words: ['test', 'status'],
    summary: 'show the clock and the faults of the test API',
    run: async (context) => shown(await ask<Status>(context, '/status', {})),
  },
  {
    words: ['test', 'clock'],
    args: ['<time>'],
    summary: 'move the clock: +15m, +2h, +30d, a time such as 2027-01-01T00:00:00Z, or reset',
    examples: ['strongroom test clock +2h', 'strongroom test clock reset'],
    run: async (context) => {
      const time = context.args[0] ?? ''
      const advance = secondsOf(time)
      const body = time === 'reset' ? { reset: true } : advance === undefined ? { set: time } : { advance }
      return shown(await ask<Status>(context, '/clock', body))
    },
  },
  {
    words: ['test', 'fault', 'add'],
    args: ['<kind>'],
    summary: 'inject attestation-down, key-disabled, quota-zero, boot-failure, slow-operation or throttling',
    options: [
      { flags: '--once', summary: 'apply once; otherwise it stays until cleared' },
      { flags: '--target <text>', summary: 'only where this string occurs: a VM, a key, a quota, a path' },
      { flags: '--step <step>', summary: 'the step at which a boot fails' },
      { flags: '--milliseconds <n>', summary: 'how much longer an operation takes, or the time in Retry-After' },
    ],
    examples: ['strongroom test fault add boot-failure --once --target vm1', 'strongroom test fault add throttling'],
    run: async (context) => {
      const [target, step, milliseconds] = ['target', 'step', 'milliseconds'].map((name) => textOption(context, name))
      const fault = await ask<Fault>(context, '/faults', {
        kind: context.args[0],
        once: context.options['once'] === true,
        ...(target !== undefined && { target }),
        ...(step !== undefined && { step }),
        ...(milliseconds !== undefined && { milliseconds: Number(milliseconds) }),
      })
      return { data: fault, table: { columns, rows: [row(fault)] } }
    },
  },
  {
    words: ['test', 'fault', 'clear'],
    args: ['[fault]'],
    summary: 'clear one fault, or all of them',
    run: async (context) => {
      const id = context.args[0]
      return shown(await ask<Status>(context, '/faults/clear', id === undefined ? {} : { id }))
    },
  },
  {
    words: ['test', 'reset'],
    summary: 'delete every resource of the subscription, and all faults',
    run: async (context) => {
      const data = await ask<{ resources: number; milliseconds: number }>(context, '/reset', {})
      return { data, lines: [`${data.resources} resources deleted in ${data.milliseconds} ms.`] }
    },
  },
]
