import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

describe('what failed in a test run', () => {
  let folder: string
  let named: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'failures-'))
    named = join(folder, 'named')
    const reporter = JSON.stringify(join(root, 'test/failures.ts'))
    const test = `{ name: 'unit', reporters: [new Failures()] }`
    writeFileSync(
      join(folder, 'vitest.config.mjs'),
      `import { Failures } from ${reporter}\nexport default { root: '.', test: ${test} }`,
    )
    return () => {
      rmSync(folder, { recursive: true })
    }
  })

  function plant(name: string, text: string): void {
    const vitest = JSON.stringify(join(root, 'node_modules/vitest/dist/index.js'))
    writeFileSync(join(folder, `${name}.test.js`), `import { beforeAll, describe, expect, it } from ${vitest}\n${text}`)
  }
  const run = async (program: string, args: readonly string[]): Promise<number> =>
    await new Promise((end) => {
      const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`
      const env = { ...process.env, PATH: path, STRONGROOM_TEST_FAILURES: named }
      const child = execFile(program, args, { cwd: folder, env })
      child.on('exit', (code) => {
        end(code ?? -1)
      })
      onTestFinished(() => void child.kill())
    })
  const tests = async (): Promise<number> =>
    await run(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run'])
  it('is named: each test, and what failed outside of one', async () => {
    plant('right', `it('passes', () => {})`)
    plant(
      'wrong',
      `describe('a key', () => { it('is kept', () => { expect(1,\n'the key').toBe(2) }); it('is read', () => {}) })`,
    )
    plant('unread', `throw new Error('no file')`)
    plant(
      'setup',
      `describe('a disk', () => { beforeAll(() => { throw new Error('no disk') }); it('opens', () => {}) })`,
    )
    plant('late', `it('ends', () => { void Promise.reject(new Error('too late')) })`)
    expect(await tests()).toBe(1)
    const lines = readFileSync(named, 'utf8').split('\n').slice(0, -1)
    const found = lines.map((line) => line.replace(/[^\t]*\/(?=[a-z]+\.test\.js)/, ''))
    expect(found.toSorted().map((line) => line.split('\t'))).toEqual([
      ['', '', 'outside of a test: too late'],
      ['unit', 'setup.test.js', 'a disk: no disk'],
      ['unit', 'unread.test.js', 'no file'],
      ['unit', 'wrong.test.js', 'a key > is kept: the key: expected 1 to be 2 // Object.is equality'],
    ])
    expect(readFileSync(join(root, 'scripts/test.sh'), 'utf8')).toMatch(/sed [^\n]* "\$work\/\$run"/)
  })
})
