import type { Connection } from './connection.ts'
import type { Paths } from './paths.ts'
import { outputFormats, type OutputFormat, type Result } from './output.ts'

export interface Option {
  /** For example `--size <size>` or `--no-wait`. */
  flags: string
  summary: string
  default?: string | boolean
  /** Its possible values, for completion. */
  choices?: readonly string[]
}

/** What commands refer to by name, and the server lists. */
export const namedKinds = ['vm', 'host', 'vault', 'image'] as const
export type NamedKind = (typeof namedKinds)[number]

export interface CommandContext {
  args: string[]
  options: Record<string, string | boolean | string[] | undefined>
  paths: Paths
  format: OutputFormat
  /** Progress and notices: on standard error, so that standard output has only the result. */
  say: (line: string) => void
  /** A fixed text, such as a remedy, with its commands as the person types them. */
  typed: (text: string) => string
  /** The running installation; refuses with NotRunning if there is none. */
  connect(): Promise<Connection>
}

/** A command as data: help, parsing and tests derive from it. */
export interface Command {
  /** Words after `strongroom`, for example ['vm', 'create']. */
  words: string[]
  /** Positional arguments, for example `<name>` or `[file]`. */
  args?: string[]
  /** What exists of which the arguments name one, for completion. */
  names?: NamedKind
  summary: string
  options?: Option[]
  examples?: string[]
  /** Whether its result can be shown repeatedly with `--watch`. */
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
  summary: 'print what a JMESPath expression selects from the members that -o json prints',
}
const watchOption: Option = {
  flags: '-w, --watch [seconds]',
  summary: 'refresh every 2 seconds, or at the given interval, and show what changed, until Ctrl-C',
}

/** The command's own options, and shared ones. */
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
