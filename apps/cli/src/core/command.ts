import type { Paths } from './paths.ts'
import type { OutputFormat, Result } from './output.ts'
import type { Connection } from '../client/connection.ts'

export interface Option {
  /** For example `--size <size>` or `--no-wait`. */
  flags: string
  summary: string
  default?: string | boolean
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
  run(context: CommandContext): Promise<Result | undefined>
}

export const textOption = (context: CommandContext, name: string): string | undefined => {
  const value = context.options[name]
  return typeof value === 'string' ? value : undefined
}
