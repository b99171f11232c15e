import { visibleJson, type ErrorDetail } from '@strongroom/contract'
import type { Connection } from './core/connection.ts'
import { commandsFor, firstWords } from './modules.ts'
import { CliError, describeError, exitCodes } from './core/cli-error.ts'
import type { Command, CommandContext } from './core/command.ts'
import { outputFormats, render, type OutputFormat, type Result } from './core/output.ts'
import { asTyped } from './core/own-name.ts'
import { findPaths } from './core/paths.ts'
import { helpWidth, programOf } from './core/program.ts'
import { print, say } from './core/terminal.ts'
import { watch, watchSeconds } from './core/watch.ts'

async function runCommand(command: Command, args: string[], options: Record<string, string | boolean>): Promise<void> {
  const format = formatOf(options['output'])
  if (format === undefined) {
    reportError(unknownFormat(String(options['output'])), 'table')
    return
  }
  const paths = findPaths(process.env)
  let connection: Promise<Connection> | undefined
  const context: CommandContext = {
    args,
    options,
    paths,
    format,
    say,
    typed: (text) => asTyped(text, firstWords),
    connect: async () =>
      await (connection ??= import('./client/connection.ts').then(({ connect }) => connect(paths.state))),
  }
  try {
    const often = options['watch']
    if (often !== undefined && often !== false) await repeat(command, context, watchSeconds(often))
    const result = await command.run(context)
    if (result !== undefined) await show(result, context)
  } catch (error) {
    reportError(error, format)
  } finally {
    if (connection !== undefined) await connection.then((open) => open.https.close()).catch(() => undefined)
  }
}

const formatOf = (given: string | boolean | undefined): OutputFormat | undefined =>
  outputFormats.find((each) => each === (given ?? 'table'))

const unknownFormat = (found: string): CliError =>
  new CliError({
    code: 'InvalidArgument',
    message: `There is no output format '${found}'.`,
    target: '--output',
    expected: outputFormats.join(', '),
    found,
    remedy: 'Use one of the expected formats.',
    exitCode: exitCodes.usage,
  })

/** The part of a result selected by `--query`; all of it by default. */
async function asked(result: Result, context: CommandContext): Promise<Result> {
  const query = context.options['query']
  if (typeof query !== 'string') return result
  const { queried } = await import('./core/query.ts')
  return queried(result, query)
}

async function show(result: Result, context: CommandContext): Promise<void> {
  const selected = await asked(result, context)
  const query = context.options['query']
  if (typeof query === 'string') {
    const notice = (await import('./core/query.ts')).queryNotice(result, selected, query)
    if (notice !== undefined) say(notice)
  }
  const text = render(selected, context.format, { color: process.stdout.isTTY })
  if (context.format !== 'none') print(`${text}\n`)
}

async function repeat(command: Command, context: CommandContext, seconds: number): Promise<never> {
  return await watch({
    look: async () => {
      const result = await command.run(context)
      return result && (await asked(result, context))
    },
    seconds,
    format: context.format,
    terminal: process.stdout.isTTY,
    write: print,
  })
}

function reportError(error: unknown, format: OutputFormat): void {
  const known =
    error instanceof CliError
      ? error
      : new CliError({
          code: 'Unexpected',
          message: error instanceof Error ? error.message : String(error),
          remedy: 'This is a bug: please report it with the command you ran.',
          cause: error,
        })
  const detail = typed(known.detail)
  if (format === 'json' || format === 'jsonc') print(`${visibleJson({ error: detail }, 2)}\n`)
  else for (const line of describeError(detail)) say(line)
  process.exitCode = known.exitCode
}

/** What to do, with commands as the person types them. */
function typed(detail: ErrorDetail): ErrorDetail {
  const { innererror, details } = detail
  return {
    ...detail,
    message: asTyped(detail.message, firstWords),
    ...(innererror !== undefined && {
      innererror: {
        ...innererror,
        ...(innererror.expected !== undefined && { expected: asTyped(innererror.expected, firstWords) }),
        ...(innererror.remedy !== undefined && { remedy: asTyped(innererror.remedy, firstWords) }),
      },
    }),
    ...(details !== undefined && { details: details.map(typed) }),
  }
}

/**
 * `help vm create` is `vm create --help`: commander's own help uses only the first word. `version` is `--version`, as in
 * git, npm and others.
 */
function given(args: readonly string[]): string[] {
  const [first, ...rest] = args
  if (first === 'version' && rest.length === 0) return ['--version']
  return first === 'help' && rest.length > 0 ? [...rest, '--help'] : [...args]
}

/** The reader of a pipe may have read enough, like `head`: the rest is discarded. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(process.exitCode ?? 0)
  })
}

async function main(): Promise<void> {
  endWithReader()
  const args = given(process.argv.slice(2))
  const program = programOf({
    commands: await commandsFor(args),
    words: firstWords,
    width: { out: helpWidth(process.stdout.columns), error: helpWidth(process.stderr.columns) },
    run: runCommand,
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    const code = (error as { code?: string }).code ?? ''
    if (!code.startsWith('commander.')) throw error
    process.exitCode = ['commander.helpDisplayed', 'commander.help', 'commander.version'].includes(code)
      ? 0
      : exitCodes.usage
  }
}

void main()
