import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'strongroom-unused-'))
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Output of `npm run check`, with this repository's settings, for a repository with these files. */
function unused(name: string, files: Record<string, unknown>): { code: number | null; said: string } {
  const folder = join(directory, name)
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content))
  }
  cpSync(join(root, 'knip.json'), join(folder, 'knip.json'))
  const knip = join(root, 'node_modules/.bin/knip')
  const { status, stdout, stderr } = spawnSync(knip, ['--no-progress', '--no-config-hints'], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { code: status, said: `${stdout}${stderr}` }
}

const manifest = { name: 'planted', private: true, type: 'module', workspaces: ['packages/*'] }
const part = { name: '@planted/part', version: '1.0.0', type: 'module', exports: './src/index.ts' }
const whole = {
  'package.json': manifest,
  'packages/part/package.json': part,
  'packages/part/src/index.ts': "export { used } from './used.ts'\n",
  'packages/part/src/used.ts': 'export const used = 1\n',
}

describe('what nothing uses', () => {
  it('is refused: a dependency, a file, an export, a type', () => {
    expect(unused('whole', whole)).toEqual({ code: 0, said: '' })
    const planted = unused('planted', {
      ...whole,
      'package.json': { ...manifest, devDependencies: { 'right-pad': '1.0.0' } },
      'packages/part/package.json': { ...part, dependencies: { 'left-pad': '1.0.0' } },
      'packages/part/src/used.ts':
        'export const used = 1\nexport const forgotten = 2\nexport interface Forgotten { a: 1 }\n',
      'packages/part/src/orphan.ts': 'export const orphan = 1\n',
    })
    expect(planted.code).toBe(1)
    for (const name of ['left-pad', 'right-pad', 'orphan.ts', 'forgotten', 'Forgotten'])
      expect(planted.said).toMatch(new RegExp(`^(packages/part/src/)?${name}\\b`, 'm'))
  })
})
