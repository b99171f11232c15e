import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ServiceError } from '@strongroom/platform'
import { costOf } from '@strongroom/platform/testing'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group } from '../testing/test-plane.ts'
import { parseBody, parseLongBody } from './body.ts'

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`

describe('a request body', () => {
  it.each([
    ['a comment to the end of its line', '// "\n'],
    ['a comment with an apostrophe', "// it's\n"],
    ['a comment', '/* " */'],
    ['a comment that a separator ends', '// "\u2028'],
    ['a text in apostrophes', `'"', `],
  ])('is refused for its depth whatever hides it: %s (attack W10)', async (_name, text) => {
    const plane = await openSqlitePlane()
    try {
      await plane.send('PUT', group, { location: 'westeurope' })
      const path = `${group}/providers/Microsoft.Resources/deployments/d`
      for (const levels of [150, 100_000]) {
        const body = `[${text}${nested(levels)}]`
        const answer = await plane.send('PUT', path, undefined, {
          text: body,
          headers: { 'content-type': 'application/json' },
        })
        expect([answer.status, answer.body.error.code]).toEqual([400, 'InvalidRequestContent'])
        expect(answer.body.error.message).toMatch(/levels deep/)
      }
    } finally {
      await plane.close()
    }
  })

  it('is not deeper for brackets in texts and comments', () => {
    const text = `{ /* ${'['.repeat(200)} */ a: '${'['.repeat(200)}', "b": "\\"${'{'.repeat(200)}" } // ${'['.repeat(200)}`
    expect(parseBody(text, { lenient: true })).toEqual({ a: '['.repeat(200), b: `"${'{'.repeat(200)}` })
  })

  it('may have comments and texts of several lines, whatever its length', () => {
    const rows = Array.from({ length: 10_000 }, (_, n) => `  { "row": ${n}, "text": "a // b\n\tc" }, // row ${n}`)
    const text = `[ /* all */\n${rows.join('\n')}\n  {}\n]//`
    const found = parseBody(text, { lenient: true }) as unknown[]
    expect(found.slice(-2)).toEqual([{ row: 9_999, text: 'a // b\n\tc' }, {}])
    expect(() => parseBody(text, { lenient: false })).toThrow(ServiceError)
  })

  it.each([
    ['["a\n\nb\t\\\\\n"]', ['a\n\nb\t\\\n']],
    ['["a\\\nb", "a\\\r\nb\r\n"]', ['ab', 'ab\r\n']],
    ['["\\"\n"]', ['"\n']],
  ])('has the line ends of its texts, except those that a backslash escapes: %j', (text, value) => {
    expect(parseBody(text, { lenient: true })).toEqual(value)
  })

  it.each(['[1 / 2 */]', '[1] /', '[1] /* /', '["a" /* */ "b"]', '/**/'])(
    'is no JSON for a stray slash: %s',
    (text) => {
      expect(() => parseBody(text, { lenient: true })).toThrow(/could not be deserialized/)
    },
  )

  it('has at most so many values, counted before they are parsed (attack W55)', async () => {
    // A list or object counts five times, a member too, and the list around them.
    const most = { '{}': 39_999, '[]': 39_999, '1': 239_996, '{"a":1}': 21_817 }
    const expected = 'at most 240000 values, of which lists, objects and members count five times'
    for (const [value, count] of Object.entries(most))
      for (const lenient of [true, false]) {
        const list = (length: number): string => `[${Array.from({ length }, () => value).join()}]`
        expect(parseBody(list(count), { lenient })).toHaveLength(count)
        const refused = { code: 'InvalidRequestContent', expected }
        expect(() => parseBody(list(count + 1), { lenient })).toThrow(expect.objectContaining(refused) as Error)
        await expect(parseLongBody(list(1_300_000), { lenient })).rejects.toMatchObject(refused)
      }
    // Commas in texts and comments separate nothing.
    expect(parseBody(`["${','.repeat(500_000)}"] //${','.repeat(500_000)}`, { lenient: true })).toHaveLength(1)
  })

  it('takes at most 32 KiB of what only JSON5 has (attack W55)', () => {
    const list = (length: number): string => `['${'a'.repeat(length - 4)}']`
    expect(parseBody(list(32_768), { lenient: true })).toHaveLength(1)
    expect(() => parseBody(list(32_769), { lenient: true })).toThrow(/32769 characters/)
    expect(parseBody(`${list(32_766)}//${'a'.repeat(1_000_000)}`, { lenient: true })).toHaveLength(1)
  })

  it('has at most 8,000 members in an object (attack W55)', async () => {
    const object = (members: number): string => `{${Array.from({ length: members }, (_, n) => `"n${n}":1`).join()}}`
    const list = (members: number): string => `[[${object(8_000)}, 1], ${object(members)}, {"a": {}, "b": [{"c": 1}]}]`
    const refused = { code: 'InvalidRequestContent', expected: 'at most 8000 members' }
    for (const lenient of [true, false]) {
      expect(parseBody(list(8_000), { lenient })).toHaveLength(3)
      expect(() => parseBody(list(8_001), { lenient })).toThrow(expect.objectContaining(refused) as Error)
    }
    const around = `{"a": ${object(7_000)}, ${object(7_999).slice(1)}`
    expect(parseBody(around, { lenient: false })).toHaveProperty('n7998')
    await expect(parseLongBody(`{"b": 1, ${around.slice(1)}`, { lenient: false })).rejects.toMatchObject(refused)
  })

  it('has at most 200,000 texts, line ends and comments where it is not JSON (attack W55)', () => {
    const refused = { code: 'InvalidRequestContent', expected: 'at most 200000 where it is not JSON' }
    const texts: [string, (count: number) => string][] = [
      ['\n', (count) => `["${'\n'.repeat(count - 1)}"]`],
      ['\t', (count) => `["${'\t'.repeat(count - 1)}"]`],
      ['comments', (count) => `[1,${'/**/'.repeat(count)}2]`],
    ]
    for (const [name, text] of texts) {
      expect(parseBody(text(200_000), { lenient: true }), name).toHaveProperty('length')
      expect(() => parseBody(text(200_001), { lenient: true }), name).toThrow(expect.objectContaining(refused) as Error)
    }
  })

  it.each([
    ['a text', `["${'a'.repeat(4_000_000)}"]`],
    ['a comment', `[1]//${'a'.repeat(4_000_000)}`],
    ['spaces', `[1,${' '.repeat(4_000_000)}]`],
    ['apostrophes', `['${'a'.repeat(32_000)}']`],
    ['objects', `[${'{},'.repeat(39_900)}1]`],
    ['line ends', `["${'\n'.repeat(199_000)}"]`],
    ['more line ends than may be', `["${'\n'.repeat(1_300_000)}"]`],
    ['slashes', `[${'/'.repeat(4_000_000)}`],
    ['comments', `[1,${'/**/'.repeat(1_000_000)}2]`],
    ['quotation marks', `[${'""'.repeat(2_000_000)}]`],
    [
      'names',
      `[${Array.from({ length: 6 }, () => `{${Array.from({ length: 10_000 }, (_, n) => `"n${n}":1`).join()}}`).join()}]`,
    ],
    ['names of JSON5', `{${Array.from({ length: 4_000 }, (_, n) => `n${n}:1`).join()}}`],
    ['numbers', `[${'1,'.repeat(239_000)}1]`],
  ])('holds the thread for a moment alone: %s (attack W55)', async (_, text) => {
    const cost = await costOf(async () => await parseLongBody(text, { lenient: true }).catch(() => {}))
    // Some 30 ms here at rest; seconds without limits and turns.
    expect(cost.held).toBeLessThan(400)
  })

  it('of any JSON is what JSON says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        for (const lenient of [true, false])
          expect(parseBody(JSON.stringify(value), { lenient })).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it.each(['{"a": [{"__proto__": {}}]}', '[0, null, {"b": {"__proto__": 1}}]'])(
    'has no prototype in it: %s',
    (text) => {
      expect(() => parseBody(text, { lenient: false })).toThrow(/__proto__/)
    },
  )
})
