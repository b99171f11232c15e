import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commentsOf, findings, goneChapters, goneTerms } from './style.ts'

const root = resolve(import.meta.dirname, '../..')
const page = 'test/boundaries/style.md'
const style = readFileSync(join(root, page), 'utf8')
const terms = goneTerms(style)
const commentTerms = goneTerms(style, goneChapters.comments)
const own = [page, 'test/boundaries/style.ts', 'test/boundaries/style.test.ts']
const texts = execFileSync('git', ['ls-files', '*.md', '*.ts', '*.tsx', '*.sh'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && !own.includes(path))

describe('words', () => {
  it('are none that test/boundaries/style.md has done away with', () => {
    expect(terms.length).toBeGreaterThan(5)
    expect(texts.length).toBeGreaterThan(1_000)
    const found = texts.flatMap((path) =>
      findings(readFileSync(join(root, path), 'utf8'), terms).map((finding) => `${path}:${finding}`),
    )
    expect(found).toEqual([])
  })

  it('in comments are none that are gone from comments', () => {
    expect(commentTerms.length).toBeGreaterThan(5)
    const found = texts
      .filter((path) => !path.endsWith('.md'))
      .flatMap((path) =>
        findings(commentsOf(readFileSync(join(root, path), 'utf8')), commentTerms).map(
          (finding) => `${path}:${finding}`,
        ),
      )
    expect(found).toEqual([])
  })

  it.each([...terms, ...commentTerms].map(({ term }) => [term]))(
    'are found in a message, a page and a comment: %s',
    (term) => {
      const [, words, forms] = /^(.+?)(?: \((.+)\))?$/.exec(term)!
      const text = forms === undefined ? words! : `${forms.split(', ')[0]} ${words}`
      const everywhere = terms.some((each) => each.term === term)
      const messages = [`fail('It is ${text} today.')`, `It is ${text} today.`]
      for (const message of messages) expect(findings(message, terms).includes(`1: ${term}`)).toBe(everywhere)
      const comments = [
        `// It is ${text} today.`,
        `/**\n * It is ${text} today.\n */`,
        `x() // It is ${text} today.`,
        `# It is ${text} today.`,
      ]
      for (const comment of comments)
        expect(findings(commentsOf(comment), [...terms, ...commentTerms]).join()).toContain(`: ${term}`)
    },
  )

  it.each([
    ["it('stands for nothing of it')", ''],
    ["const url = 'https://example.org/told/apart'", ''],
    ['/** One. */\ncode()', '/** One. */\n'],
    ['/**\n * One.\n */\ncode()', '/**\n * One.\n */\n'],
    ['code() // One.', ' // One.'],
    ['#!/bin/sh\n# One.\ncode', '\n# One.\n'],
  ])('are looked for in the comments alone: %s', (text, comments) => {
    expect(commentsOf(text)).toBe(comments)
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
