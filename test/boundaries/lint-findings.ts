import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** Sources of packages, services and apps, without their tests. */
export const sources: string[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\n')
  .filter((file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file) && existsSync(join(root, file)))
  .filter((file) => !/\.test\.tsx?$/.test(file) && !file.includes('/testing/'))

export interface Finding {
  /** `file name`; the name is empty if the function has none. */
  function: string
  message: string
}

/** What one rule of the linter finds in the paths, with this limit. */
export function findings(rule: string, max: number, paths: readonly string[]): Finding[] {
  const folder = mkdtempSync(join(tmpdir(), 'findings-'))
  try {
    const config = join(folder, 'oxlint.json')
    const rules = { [rule]: ['error', { max }] }
    writeFileSync(config, JSON.stringify({ plugins: [], categories: { correctness: 'off' }, rules }))
    const { stdout } = spawnSync('oxlint', ['-c', config, '--format', 'json', ...paths], {
      cwd: root,
      encoding: 'utf8',
    })
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; message: string }[] }
    return diagnostics.map(({ filename, message }) => {
      const [, name = ''] = /[`']([^`']+)[`']/.exec(message) ?? []
      return { function: `${filename} ${name}`.trim(), message }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
