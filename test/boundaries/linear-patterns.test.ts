import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const files = execFileSync('git', ['ls-files', 'apps', 'packages', 'services'], { cwd: root, encoding: 'utf8' })
const sources = files.split('\n').filter((file) => file.endsWith('.ts') && !/\.test\.ts$|\/testing\//.test(file))

/**
 * A run of one kind of character followed by something that may be missing: it is tried from each character to the
 * run's end, which takes quadratic time. A look-behind, `(?<!x)x+…`, tries it once.
 */
const fromEachCharacter =
  /(?<=[(=,:&|?\s])\/(?:\\[^bB]|\[(?:\\.|[^\]\\])+\]|[^\s\\[(^/*?])[+*](?![?/|])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^\\[/\n])+\/[a-z]*/g
const squares = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => !/^\s*(?:\/\/|\*|\/\*)/.test(line))
    .flatMap((line) => line.match(fromEachCharacter) ?? [])
    .filter((pattern) => !/\/[a-z]*y[a-z]*$/.test(pattern))

describe('patterns over what others send', () => {
  it.each([
    ['id.replace(/\\/+$/, "")', 1],
    ['text.replace(/=+$/, "")', 1],
    ['text.split(/\\s+and\\s+/i)', 1],
    ['text.match(/[ \\t]*:/)', 1],
    ['id.replace(/(?<!\\/)\\/+$/, "")', 0],
    ['text.replace(/={1,2}$/, "")', 0],
    ['text.split(/\\s+/)', 0],
    ['text.match(/^\\s*([A-Z]+)=/)', 0],
    ['const blank = /[ \\t]+x/y', 0],
  ])('are told from such that take the square: %s', (line, count) => {
    expect(squares(line)).toHaveLength(count)
  })

  it('take no more time than in proportion to a run of one character (attack W22)', () => {
    const found = sources.flatMap((file) =>
      squares(readFileSync(join(root, file), 'utf8')).map((each) => `${file}: ${each}`),
    )
    expect(found).toEqual([])
  })
})
