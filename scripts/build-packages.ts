import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Builds the public packages: ES modules and types in `dist`, each against the built types of those before it.
 *   npm run build:packages
 */
const root = resolve(import.meta.dirname, '..')

/** In dependency order. */
export const published = ['contract', 'evidence', 'policy', 'release-policy', 'transparency', 'trust'] as const

export function buildPackages(): void {
  for (const name of published) {
    const directory = join(root, 'packages', name)
    const { exclude = [] } = JSON.parse(readFileSync(join(directory, 'tsconfig.json'), 'utf8')) as {
      exclude?: string[]
    }
    const project = join(directory, 'tsconfig.build.json')
    rmSync(join(directory, 'dist'), { recursive: true, force: true })
    const options = { noEmit: false, outDir: 'dist', rootDir: 'src', customConditions: [], newLine: 'lf' }
    const left = [...exclude, 'src/testing', 'src/testing.ts', 'src/**/testing.ts']
    writeFileSync(
      project,
      JSON.stringify({ extends: './tsconfig.json', compilerOptions: options, include: ['src'], exclude: left }),
    )
    try {
      execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { cwd: root, stdio: 'inherit' })
    } finally {
      rmSync(project)
    }
  }
}

if (import.meta.main) buildPackages()
