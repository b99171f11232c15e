import { describe, expect, it } from 'vitest'
import { csvOf } from './csv.ts'
import { linesOfText, visibleJson, visibleText } from './visible-text.ts'

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)
const hidden = {
  'C0 controls': range(0, 0x1f),
  'DEL and C1 controls': range(0x7f, 0x9f),
  'direction marks': [0x061c, 0x200e, 0x200f, ...range(0x202a, 0x202e), ...range(0x2066, 0x2069)],
  'separators of lines': [0x2028, 0x2029],
}

describe('text that others wrote', () => {
  it.each(Object.entries(hidden))('has its %s escaped, and its other characters left', (_, codes) => {
    for (const code of codes) {
      const character = String.fromCharCode(code)
      const escape = `\\u${code.toString(16).padStart(4, '0')}`
      expect(visibleText(`ä${character}\u{1f512}`), escape).toBe(`ä${escape}\u{1f512}`)
      expect(csvOf(['a'], [[`x${character}y`]]), escape).toBe(`a\r\nx${escape}y\r\n`)
      const json = visibleJson({ [`n${character}`]: character })
      expect(visibleText(json), escape).toBe(json)
      expect(JSON.parse(json), escape).toEqual({ [`n${character}`]: character })
    }
  })

  it('keeps the layout that is its caller’s, and no other', () => {
    expect(visibleText('a\tb\nc\r', '\n\t')).toBe('a\tb\nc\\u000d')
    expect(visibleText('a\tb\nc', '\t')).toBe('a\tb\\u000ac')
  })

  it('has its lines by either line end, without an empty last one', () => {
    expect(linesOfText('a\r\nb\n\nc\n')).toEqual(['a', 'b', '', 'c'])
  })
})
