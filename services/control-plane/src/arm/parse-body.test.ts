import type { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { parseBody } from './body.ts'

const strict = (text: string): unknown => parseBody(text, { lenient: false })
const lenient = (text: string): unknown => parseBody(text, { lenient: true })
/** Expected and found; `read` if the text is accepted. */
const refusal = (read: () => unknown): unknown => {
  try {
    read()
    return 'read'
  } catch (error) {
    const { status, code, expected, found } = error as ServiceError
    expect([status, code]).toEqual([400, 'InvalidRequestContent'])
    return [expected, found]
  }
}
const lists = (levels: number, middle = ''): string => `${'['.repeat(levels)}${middle}${']'.repeat(levels)}`
const tooDeep = (levels: number): unknown[] => ['at most 100 levels', `it is nested ${levels} levels deep`]

describe('the text of a body', () => {
  it('that is empty is not a body', () => {
    for (const text of ['', ' ', '\n\t ']) expect([strict(text), lenient(text)]).toEqual([undefined, undefined])
  })

  it('may run over several lines in a template, and nowhere else', () => {
    const text = `{ "a": "one\n\ttwo\r\nthree \\" four", // it's "\n b: 'x\ny', /* " */ "c": "\\\\" }`
    expect(lenient(text)).toEqual({ a: 'one\n\ttwo\r\nthree " four', b: 'x\ny', c: '\\' })
    expect(refusal(() => strict(text))).not.toBe('read')
    // JSON5's line continuation: the line end after a backslash is not part of the text.
    expect(lenient("{ a: 'one\\\ntwo' }")).toEqual({ a: 'onetwo' })
  })

  it.each<[string, string, object]>([
    ['a comment with an apostrophe', '{/* it\'s */"a":"b\nc"}', { a: 'b\nc' }],
    ['a comment to the end of a line with one', '{// it\'s\n"a":"b\nc"}', { a: 'b\nc' }],
    ['a comment that ends as it begins', '{/*/ it\'s /*/"a":"b\nc"}', { a: 'b\nc' }],
    ['two comments side by side', '{/* a *//* it\'s */"a":"b\nc"}', { a: 'b\nc' }],
    [
      'signs of comments in texts',
      '{"a":"/x\ny","b":"//x\ny","c":"/*x\ny","d":"*x\ny"}',
      { a: '/x\ny', b: '//x\ny', c: '/*x\ny', d: '*x\ny' },
    ],
    ['a tab behind a backslash', "{a:'x\\\ty'}", { a: 'x\ty' }],
    ['a line end of Windows behind a backslash', "{a:'one\\\r\ntwo'}", { a: 'onetwo' }],
  ])('may run over several lines beside %s', (_name, text, expected) => {
    expect(lenient(text)).toEqual(expected)
  })

  it('nests a hundred levels deep and no deeper, in lists and objects', () => {
    for (const read of [strict, lenient]) {
      expect(refusal(() => read(lists(100)))).toBe('read')
      expect(refusal(() => read(lists(101)))).toEqual(tooDeep(101))
      expect(refusal(() => read('{"a":'.repeat(101) + '1' + '}'.repeat(101)))).toEqual(tooDeep(101))
      expect(refusal(() => read(`[${lists(60)},${lists(99)},{"a":${lists(98)}}]`))).toBe('read')
      expect(refusal(() => read(`[${lists(100)},1]`))).toEqual(tooDeep(101))
      expect(refusal(() => read(`[${Array(150).fill('{}').join(',')}]`))).toBe('read')
    }
  })

  it.each([
    ['a text', `"${'['.repeat(200)}"`],
    ['a text with an escaped quote', `"\\"${'['.repeat(200)}"`],
    ['a text that ends with a backslash', `"${'['.repeat(200)}\\\\"`],
    ['a text with an apostrophe', `"it's ${'['.repeat(200)}"`],
  ])('is not deeper for brackets in %s', (_name, text) => {
    expect(strict(text)).toBe(JSON.parse(text))
    expect(refusal(() => strict(`[${text},${lists(101)}]`))).toEqual(tooDeep(102))
  })

  it.each([
    ['a text in apostrophes', `'${'['.repeat(200)}"'`],
    ['a comment to the end of a line', `// ${'['.repeat(200)}"\n1`],
    ['a comment to the end of an old Mac line', `// ${'['.repeat(200)}"\r1`],
    ['a comment to a line separator', `// ${'['.repeat(200)}"\u20281`],
    ['a comment to a paragraph separator', `// ${'['.repeat(200)}"\u20291`],
    ['a comment', `/* ${'['.repeat(200)}" * / */1`],
    ['a comment of two stars', `/**/1`],
    ['a comment that ends as it begins', `/*/ ${'['.repeat(200)} /*/1`],
  ])('of a template is not deeper for brackets in %s, and deeper behind it', (_name, text) => {
    expect(refusal(() => lenient(text))).toBe('read')
    expect(refusal(() => lenient(`[${text},${lists(101)}]`))).toEqual(tooDeep(102))
  })

  it('has comments, apostrophes and bare names in templates alone', () => {
    for (const text of ["{a: 'b'}", '{"a": "b",}', '{"a": "b"} // c', '/* c */{"a": "b"}']) {
      expect(lenient(text)).toEqual({ a: 'b' })
      expect(refusal(() => strict(text))).toEqual(['JSON', expect.any(String)])
    }
    for (const text of ['{', '{a: }', '// c', "'open", '/* open', ' /* open'])
      expect(refusal(() => lenient(text))).toEqual(['JSON, optionally with comments', expect.any(String)])
    expect(((refusal(() => strict(`{"a": ${'x'.repeat(500)}`)) as string[])[1] ?? '').length).toBeLessThanOrEqual(200)
  })

  it.each([
    '{"__proto__":1}',
    '[[{"a":{"__proto__":null}}]]',
    '{"a":[0,"b",{"c":[{"__proto__":{}}]}]}',
    '[null,{"__proto__":1}]',
  ])('has no prototype in it, at any depth: %s', (text) => {
    for (const read of [strict, lenient])
      expect(refusal(() => read(text))).toEqual(['no such member', "it has a member named '__proto__'"])
  })

  it('may speak of a prototype', () => {
    expect(strict('["__proto__",{"a":"__proto__","proto":1}]')).toEqual(['__proto__', { a: '__proto__', proto: 1 }])
    for (const text of ['null', 'false', '0', '""', '[]', '[null]', '[[],[null,1]]'])
      expect(strict(text)).toEqual(JSON.parse(text))
  })
})
