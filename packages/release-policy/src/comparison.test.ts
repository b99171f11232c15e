import { describe, expect, it } from 'vitest'
import { comparisonOf, comparisonText, isMet, requirementText } from './comparison.ts'

describe('comparisons', () => {
  it('take exact numbers alone, to the last of them, and no text for a number', () => {
    const largest = Number.MAX_SAFE_INTEGER
    const greater = (c: unknown): boolean => isMet({ claim: 'c', operator: 'greater', operand: 1 }, { c })
    expect([greater(largest), greater(largest + 1)]).toEqual([true, false])
    const less = (c: unknown): boolean => isMet({ claim: 'c', operator: 'less', operand: 1 }, { c })
    expect([less(-largest), less(-largest - 1)]).toEqual([true, false])
    expect(isMet({ claim: 'c', operator: 'less', operand: '3' }, { c: 1 })).toBe(false)
  })

  it('say what they ask', () => {
    expect(requirementText({ operator: 'equals', operand: 'a"b' })).toBe('"a\\"b"')
    expect(requirementText({ operator: 'notEquals', operand: true })).toBe('other than true')
    expect(requirementText({ operator: 'less', operand: 3 })).toBe('less than 3')
    expect(requirementText({ operator: 'lessOrEquals', operand: 3 })).toBe('at most 3')
    expect(requirementText({ operator: 'greater', operand: 3 })).toBe('more than 3')
    expect(requirementText({ operator: 'greaterOrEquals', operand: 3 })).toBe('at least 3')
    expect(requirementText({ operator: 'exists', operand: true })).toBe('there')
    expect(requirementText({ operator: 'exists', operand: false })).toBe('absent')
    expect(comparisonText({ claim: 'x', operator: 'equals', operand: 'a' })).toBe('x = "a"')
    expect(comparisonText({ claim: 'x', operator: 'greaterOrEquals', operand: 3 })).toBe('x is at least 3')
  })

  it('have an operator', () => {
    expect(() => comparisonOf({ claim: 'a' } as never)).toThrow(TypeError)
  })
})
