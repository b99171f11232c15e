import { Command as Program } from 'commander'
import type { Connection } from './client/connection.ts'
import { commandsFor } from './commands/modules.ts'
import { CliError, describeError, exitCodes } from './core/cli-error.ts'
import { optionsOf, type Command, type CommandContext } from './core/command.ts'
import { render, type OutputFormat } from './core/output.ts'
import { findPaths } from './core/paths.ts'
import { watch, watchSeconds } from './core/watch.ts'

function addCommand(program: Program, command: Command): void {
  let parent = program
  for (const word of command.words.slice(0, -1)) {
    parent =
      parent.commands.find((each) => each.name() === word) ?? parent.command(word).description(`${word} commands`)
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
  const format: OutputFormat = options['output'] === 'json' ? 'json' : 'table'
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
    if (result !== undefined) process.stdout.write(`${render(result, format)}\n`)
  } catch (error) {
    reportError(error, format)
  } finally {
    if (connection !== undefined) await connection.then((open) => open.https.close()).catch(() => undefined)
  }
}

async function repeat(command: Command, context: CommandContext, seconds: number): Promise<never> {
  return await watch({
    look: async () => await command.run(context),
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
          remedy: 'This is a defect: please report it with the command you ran.',
          cause: error,
        })
  if (format === 'json') process.stdout.write(`${JSON.stringify(known.toBody(), null, 2)}\n`)
  else for (const line of describeError(known.detail)) process.stderr.write(`${line}\n`)
  process.exitCode = known.exitCode
}

async function main(): Promise<void> {
  const program = new Program('strongroom')
    .description('A confidential-VM cloud that anyone can run.')
    .version('0.1.0')
    .exitOverride()
  for (const command of await commandsFor(process.argv.slice(2))) addCommand(program, command)
  try {
    await program.parseAsync(process.argv)
  } catch (error) {
    const code = (error as { code?: string }).code ?? ''
    if (!code.startsWith('commander.')) throw error
    process.exitCode = ['commander.helpDisplayed', 'commander.help', 'commander.version'].includes(code)
      ? 0
      : exitCodes.usage
  }
}

void main()
