import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group } from '../testing/test-plane.ts'
import { parseBody } from './body.ts'

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
