import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

describe('the end of a test run', () => {
  it('names each test that failed, and what failed outside of one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'failures-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    const vitest = JSON.stringify(join(root, 'node_modules/vitest/dist/index.js'))
    const test = (name: string, text: string) => {
      writeFileSync(
        join(folder, `${name}.test.js`),
        `import { beforeAll, describe, expect, it } from ${vitest}\n${text}`,
      )
    }
    test('right', `it('passes', () => {})`)
    test(
      'wrong',
      `describe('a key', () => { it('is kept', () => { expect(1,\n'the key').toBe(2) }); it('is read', () => {}) })`,
    )
    test('unread', `throw new Error('no file')`)
    test(
      'setup',
      `describe('a disk', () => { beforeAll(() => { throw new Error('no disk') }); it('opens', () => {}) })`,
    )
    test('late', `it('ends', () => { void Promise.reject(new Error('too late')) })`)
    const config = join(folder, 'vitest.config.mjs')
    const reporter = JSON.stringify(join(root, 'test/failures.ts'))
    writeFileSync(
      config,
      `import { Failures } from ${reporter}\nexport default { root: '.', test: { name: 'unit', reporters: [new Failures()] } }`,
    )
    const named = join(folder, 'named')
    const ended = await new Promise<number>((end) => {
      const child = execFile(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run'], {
        cwd: folder,
        env: { ...process.env, STRONGROOM_TEST_FAILURES: named },
      })
      child.on('exit', (code) => {
        end(code ?? -1)
      })
    })
    const lines = readFileSync(named, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    const found = lines.map((line) => line.replaceAll(/[^ ]*\/(?=[a-z]+\.test\.js)/g, '')).toSorted()
    expect(found).toEqual([
      'outside of a test: too late',
      'unit: setup.test.js > a disk: no disk',
      'unit: unread.test.js: no file',
      'unit: wrong.test.js > a key > is kept: the key: expected 1 to be 2 // Object.is equality',
    ])
    expect(ended).toBe(1)
    expect(readFileSync(join(root, 'scripts/test.sh'), 'utf8')).toContain('cat "$STRONGROOM_TEST_FAILURES" >&2')
  })
})
