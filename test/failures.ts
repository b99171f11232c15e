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
 * Appends a line for each failure of a run to the file that STRONGROOM_TEST_FAILURES names, so that scripts/test.sh can
 * end with them: whoever keeps only the end of a long log still learns which tests failed.
 */
export class Failures implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.STRONGROOM_TEST_FAILURES
    if (file === undefined) return
    const lines = modules.flatMap((module) => {
      const name = `${module.project.name}: ${relative(root, module.moduleId)}`
      return [
        ...module.errors().map((error) => `${name}: ${lineOf(error)}`),
        ...[...module.children.allSuites()].flatMap((suite) =>
          suite.errors().map((error) => `${name} > ${suite.fullName}: ${lineOf(error)}`),
        ),
        ...[...module.children.allTests('failed')].map(
          (test) => `${name} > ${test.fullName}: ${lineOf(test.result().errors?.[0])}`,
        ),
      ]
    })
    lines.push(...unhandled.map((error) => `outside of a test: ${lineOf(error)}`))
    appendFileSync(file, lines.map((line) => `${line}\n`).join(''))
  }
}
