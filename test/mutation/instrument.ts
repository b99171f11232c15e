import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Instrumenter } from '@stryker-mutator/instrumenter'
import { ignoredProse } from './prose.ts'

/** One change at one place of a source file. */
export interface Mutant {
  /** Number within a run, as text: the instrumented source's switch compares it. */
  id: string
  /** Path from the root of the repository. */
  file: string
  /** First line of the place, counted from 1. */
  line: number
  /** Original and replacement. */
  original: string
  replacement: string
  /** Name of the mutator, as Stryker's documentation lists them. */
  mutator: string
}

export interface Instrumented {
  mutants: Mutant[]
  /** Each file's source with all its mutants behind switches, by path from the root. */
  sources: Record<string, string>
}

const quiet = (): void => undefined
const logger = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => false,
  isFatalEnabled: () => false,
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  fatal: quiet,
}

/**
 * Puts every mutant of these files behind a switch, so that one load of a module serves all of them.
 * @param files paths from the root
 */
export async function instrument(root: string, files: string[]): Promise<Instrumented> {
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
  const instrumenter = new Instrumenter(logger)
  const given = files.map((name) => ({ name, mutate: true, content: texts.get(name)! }))
  const found = await instrumenter.instrument(given, { plugins: null, excludedMutations: [], ignorers: [ignoredProse] })
  const mutants = found.mutants
    .filter(({ status }) => status !== 'Ignored')
    .map(({ id, fileName, location, replacement, mutatorName }) => ({
      id,
      file: fileName,
      line: location.start.line + 1,
      original: textAt(texts.get(fileName)!, location),
      replacement,
      mutator: mutatorName,
    }))
  return { mutants, sources: Object.fromEntries(found.files.map(({ name, content }) => [name, content])) }
}

interface Position {
  line: number
  column: number
}

/** Lines and columns counted from 0. */
function textAt(text: string, { start, end }: { start: Position; end: Position }): string {
  const lines = text.split('\n').slice(start.line, end.line + 1)
  lines[lines.length - 1] = lines.at(-1)!.slice(0, end.column)
  lines[0] = lines[0]!.slice(start.column)
  return lines.join('\n')
}
