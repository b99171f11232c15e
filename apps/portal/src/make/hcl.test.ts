import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { block, quoted, Reference } from './hcl.ts'

const marks: Record<string, string> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }

/** What HCL's native syntax reads in a quoted template; a nested template, or an early end, is an error. */
function readBack(source: string): string {
  const inner = /^"(.*)"$/s.exec(source)?.[1]
  if (inner === undefined) throw new Error(`no quoted template: ${source}`)
  const token = /\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|\\([nrt"\\])|(\$\$|%%)(?=\{)|([^"\\\p{Cc}])/suy
  let text = ''
  for (token.lastIndex = 0; token.lastIndex < inner.length;) {
    if (/^[$%]\{/.test(inner.slice(token.lastIndex))) throw new Error(`a template begins: ${source}`)
    const found = token.exec(inner)
    if (found === null) throw new Error(`not of a quoted template: ${source}`)
    const [, four, eight, mark, doubled, plain] = found
    const number = four ?? eight
    text +=
      number !== undefined
        ? String.fromCodePoint(Number.parseInt(number, 16))
        : (marks[mark ?? ''] ?? doubled?.[0] ?? plain)
    if (doubled !== undefined) {
      // The brace after the two marks is text.
      text += '{'
      token.lastIndex += 1
    }
  }
  return text
}

describe('a text in HCL', () => {
  it.each([
    ['web', '"web"'],
    ['', '""'],
    ['a "b" \\ c', String.raw`"a \"b\" \\ c"`],
    ['${file("/etc/passwd")}', '"$${file(\\"/etc/passwd\\")}"'],
    ['%{ if true }', '"%%{ if true }"'],
    ['$${x}', '"$\\u0024{x}"'],
    ['$%{x}', '"$%%{x}"'],
    ['\\${x}', '"\\\\$${x}"'],
    ['a$', '"a$"'],
    ['a\n}\nresource "x" "y" {\r\t', String.raw`"a\n}\nresource \"x\" \"y\" {\r\t"`],
    ['\0\u007F', String.raw`"\u0000\u007f"`],
    ['a\u202Egnp.exe', String.raw`"a\u202egnp.exe"`],
    ['\u{E0041}', String.raw`"\U000e0041"`],
    ['\uD800', '"\uFFFD"'],
    ['it’s 日本 😀', '"it’s 日本 😀"'],
  ])('is quoted: %j', (text, expected) => {
    expect(quoted(text)).toBe(expected)
    expect(readBack(expected)).toBe(text.toWellFormed())
  })

  it('reads back, whatever it is, on one line', () => {
    const hostile = fc.stringMatching(/^[$%{}"\\nu~\n\t\u202E]{0,20}$/)
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
        const source = quoted(text)
        expect(source).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(readBack(source)).toBe(text)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a block of HCL', () => {
  it('is laid out as terraform fmt does', () => {
    const body = {
      name: 'web',
      network_ids: [new Reference('a.b.id'), 'x'],
      inner: { on: true, priority: 7 },
      empty: {},
      last: '1',
    }
    expect(block('resource "a" "b"', body)).toBe(`resource "a" "b" {
  name        = "web"
  network_ids = [a.b.id, "x"]

  inner {
    on       = true
    priority = 7
  }

  empty {}

  last = "1"
}`)
  })
})
