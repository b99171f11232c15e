import { Command as Program } from 'commander'
import type { Connection } from './client/connection.ts'
import { commandsFor } from './commands/modules.ts'
import { CliError, describeError, exitCodes } from './core/cli-error.ts'
import { optionsOf, type Command, type CommandContext } from './core/command.ts'
import { groupSummary } from './core/group.ts'
import { outputFormats, render, type OutputFormat, type Result } from './core/output.ts'
import { findPaths } from './core/paths.ts'
import { watch, watchSeconds } from './core/watch.ts'

function addCommand(program: Program, command: Command): void {
  let parent = program
  for (const [index, word] of command.words.slice(0, -1).entries()) {
    parent =
      parent.commands.find((each) => each.name() === word) ??
      parent.command(word).description(groupSummary(command.words.slice(0, index + 1)))
  }
  const added = parent.command([command.words.at(-1), ...(command.args ?? [])].join(' ')).description(command.summary)
  for (const option of optionsOf(command)) added.option(option.flags, option.summary, option.default)
  if (command.examples !== undefined)
    added.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`)
  added.action(async (...values: unknown[]) => {
    const options = added.opts<Record<string, string | boolean>>()
    const args = values
      .slice(0, -2)
      .flat()
      .filter((value): value is string => typeof value === 'string')
    await runCommand(command, args, options)
  })
}

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
    say: (line) => void process.stderr.write(`${line}\n`),
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
  const text = render(await asked(result, context), context.format, { color: process.stdout.isTTY })
  if (context.format !== 'none') process.stdout.write(`${text}\n`)
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
    write: (text) => void process.stdout.write(text),
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
  if (format === 'json' || format === 'jsonc') process.stdout.write(`${JSON.stringify(known.toBody(), null, 2)}\n`)
  else for (const line of describeError(known.detail)) process.stderr.write(`${line}\n`)
  process.exitCode = known.exitCode
}

/** `help vm create` is `vm create --help`: commander's own help uses only the first word. */
function given(args: readonly string[]): string[] {
  const [first, ...rest] = args
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
  const program = new Program('strongroom')
    .description('A confidential-VM cloud that anyone can run.')
    .version('0.1.0')
    .exitOverride()
  for (const command of await commandsFor(args)) addCommand(program, command)
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
