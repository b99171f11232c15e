import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findings, goneTerms } from './style.ts'

const root = resolve(import.meta.dirname, '../..')
const page = 'docs/style.md'
const terms = goneTerms(readFileSync(join(root, page), 'utf8'))
const own = [page, 'test/boundaries/style.ts', 'test/boundaries/style.test.ts']
const texts = execFileSync('git', ['ls-files', '*.md', '*.ts', '*.tsx', '*.sh'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && !own.includes(path))

describe('words', () => {
  it('are none that docs/style.md has done away with', () => {
    expect(terms.length).toBeGreaterThan(5)
    expect(texts.length).toBeGreaterThan(1_000)
    const found = texts.flatMap((path) =>
      findings(readFileSync(join(root, path), 'utf8'), terms).map((finding) => `${path}:${finding}`),
    )
    expect(found).toEqual([])
  })

  it.each([
    ['// The VM is made anew.', ['1: anew']],
    ['x\nwhat the guest said of itself', ['2: of itself (says, said, shows)']],
    ['It opens of itself.', []],
    ['renewed, and anewly', []],
    ['  o: { anew: boolean },', []],
  ])('are found: %s', (text, expected) => {
    expect(findings(text, terms)).toEqual(expected)
  })
})
