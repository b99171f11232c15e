import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commitIn } from '../../scripts/release.ts'

const tree = mkdtempSync(join(tmpdir(), 'strongroom-commit-'))
const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string
}
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], {
    cwd: tree,
    encoding: 'utf8',
  }).trim()
const head = (): string => git('rev-parse', 'HEAD')
const commit = (text: string): void => {
  appendFileSync(join(tree, 'a'), text)
  git('commit', '-qam', text)
}

beforeAll(() => {
  git('init', '-q')
  writeFileSync(join(tree, 'a'), 'a\n')
  git('add', 'a')
  git('commit', '-qm', 'a')
})
afterAll(() => rmSync(tree, { recursive: true }))

describe('a release', () => {
  it('comes from a commit alone', () => {
    expect(commitIn(tree)).toBe(head())
    appendFileSync(join(tree, 'a'), 'b\n')
    expect(() => commitIn(tree)).toThrow(/differ from it[\s\S]* a$/)
    git('checkout', '-q', 'a')
  })

  it.each([
    ['a signed or annotated', ['-am', 'x']],
    ['a plain', []],
  ])('of a version with %s tag comes from that commit alone', (_kind, options) => {
    git('tag', ...options, `v${version}`)
    git('tag', 'v0.0.1', 'HEAD')
    const tagged = head()
    expect(commitIn(tree)).toBe(tagged)
    commit('more\n')
    expect(() => commitIn(tree)).toThrow(`v${version} is the tag of ${tagged}, and this is ${head()}`)
    git('tag', '-d', `v${version}`, 'v0.0.1')
    expect(commitIn(tree)).toBe(head())
  })
})
