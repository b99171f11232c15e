import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** A new folder with the repository's tracked files as they are here, in which tests run. */
export function copyRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), 'strongroom-copy-'))
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root })
  const archive = execFileSync('tar', ['--null', '-T', '-', '-c'], { cwd: root, input: tracked, maxBuffer: 1 << 28 })
  execFileSync('tar', ['-x', '-C', copy], { input: archive })
  linkModules(copy)
  return copy
}

/** The repository's modules; the workspaces, which npm links by relative paths, are the copy's own. */
function linkModules(copy: string): void {
  const [from, to] = [join(root, 'node_modules'), join(copy, 'node_modules')]
  mkdirSync(to)
  for (const name of readdirSync(from)) if (name !== '@strongroom') symlinkSync(join(from, name), join(to, name))
  cpSync(join(from, '@strongroom'), join(to, '@strongroom'), { recursive: true, verbatimSymlinks: true })
}

export interface CopiedTest {
  title: string
  fullName: string
  status: string
}

/** Runs tests in a copy; tests that a name pattern leaves out are not returned. */
export function runTestsIn(copy: string, args: readonly string[]): { code: number | null; tests: CopiedTest[] } {
  const results = join(copy, 'results.json')
  const options = ['run', '--reporter', 'json', '--outputFile', results]
  const { status } = spawnSync(join(root, 'node_modules/.bin/vitest'), [...options, ...args], { cwd: copy })
  const { testResults } = JSON.parse(readFileSync(results, 'utf8')) as {
    testResults: { assertionResults: CopiedTest[] }[]
  }
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  return { code: status, tests: tests.filter((test) => test.status !== 'skipped') }
}
