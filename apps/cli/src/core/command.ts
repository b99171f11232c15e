import type { Paths } from './paths.ts'
import { outputFormats, type OutputFormat, type Result } from './output.ts'
import type { Connection } from '../client/connection.ts'

export interface Option {
  /** For example `--size <size>` or `--no-wait`. */
  flags: string
  summary: string
  default?: string | boolean
  /** What it may be given, for completion. */
  choices?: readonly string[]
}

export interface CommandContext {
  args: string[]
  options: Record<string, string | boolean | string[] | undefined>
  paths: Paths
  format: OutputFormat
  /** Progress and notices: standard error, so that standard output is the result alone. */
  say: (line: string) => void
  /** The running installation; refuses with NotRunning where there is none. */
  connect(): Promise<Connection>
}

/** A command as data: help, parsing and tests come from it. */
export interface Command {
  /** Words after `strongroom`, for example ['vm', 'create']. */
  words: string[]
  /** Positional arguments, for example `<name>` or `[file]`. */
  args?: string[]
  summary: string
  options?: Option[]
  examples?: string[]
  /** What it shows may be shown again and again, by `--watch`. */
  watchable?: boolean
  run(context: CommandContext): Promise<Result | undefined>
}

const outputOption: Option = {
  flags: '-o, --output <format>',
  summary: outputFormats.join(', '),
  default: 'table',
  choices: outputFormats,
}
const queryOption: Option = {
  flags: '--query <expression>',
  summary: 'print what a JMESPath expression selects from the result',
}
const watchOption: Option = {
  flags: '-w, --watch [seconds]',
  summary: 'refresh every 2 seconds, or at the given interval, and show what changed, until Ctrl-C',
}

/** The command's own options, and those that it has with others in common. */
export const optionsOf = (command: Command): Option[] => [
  ...(command.options ?? []),
  ...(command.watchable === true ? [watchOption] : []),
  queryOption,
  outputOption,
]

export const textOption = (context: CommandContext, name: string): string | undefined => {
  const value = context.options[name]
  return typeof value === 'string' ? value : undefined
}
