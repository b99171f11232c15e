import { appendFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

const root = resolve(import.meta.dirname, '..')
const longest = 400

function lineOf(error: Pick<SerializedError, 'message'> | undefined): string {
  return stripVTControlCharacters(error?.message ?? 'no error was kept')
    .replaceAll(/\s+/g, ' ')
    .slice(0, longest)
}

/**
 * Appends a line for each failure of a run to the file that STRONGROOM_TEST_FAILURES names: project, file, test and
 * message between tabs. scripts/test.sh ends with them, so whoever keeps only the end of a long log learns what failed.
 */
export class Failures implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.STRONGROOM_TEST_FAILURES
    if (file === undefined) return
    const lines = modules.flatMap((module) => {
      const file = `${module.project.name}\t${relative(root, module.moduleId)}\t`
      return [
        ...module.errors().map((error) => `${file}${lineOf(error)}`),
        ...[...module.children.allSuites()].flatMap((suite) =>
          suite.errors().map((error) => `${file}${suite.fullName}: ${lineOf(error)}`),
        ),
        ...[...module.children.allTests('failed')].map(
          (test) => `${file}${test.fullName}: ${lineOf(test.result().errors?.[0])}`,
        ),
      ]
    })
    lines.push(...unhandled.map((error) => `\t\toutside of a test: ${lineOf(error)}`))
    appendFileSync(file, lines.map((line) => `${line}\n`).join(''))
  }
}
