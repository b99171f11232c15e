import { describe, expect, it } from 'vitest'
import { allOf, appraised, failed, firstFailure, passed, skipped } from './check.ts'
import { ParseError, VerificationError } from './errors.ts'

describe('a tree of checks', () => {
  it('passes only when there is something in it and all of that passed', () => {
    expect(allOf('all', [passed('a'), passed('b')]).outcome).toBe('passed')
    expect(allOf('none', []).outcome).toBe('skipped')
    expect(allOf('some', [passed('a'), skipped('b', 'not looked at')]).outcome).toBe('skipped')
    expect(allOf('bad', [skipped('a', 'not looked at'), failed('b', new Error('x')), passed('c')]).outcome).toBe(
      'failed',
    )
  })

  it('names the link that broke, with what was expected and found', () => {
    const error = new VerificationError({ code: 'TcbMismatch', message: 'TCB differs', expected: '8', found: '7' })
    const tree = allOf('boot', [
      passed('report'),
      allOf('silicon', [passed('chain'), failed('TCB', error)]),
      skipped('token', 'before'),
    ])
    expect(firstFailure(tree)).toEqual({
      name: 'TCB',
      outcome: 'failed',
      code: 'TcbMismatch',
      message: 'TCB differs',
      expected: '8',
      found: '7',
      children: [],
    })
    expect(firstFailure(allOf('good', [passed('a')]))).toBeUndefined()
  })

  it('keeps the text of unforeseen errors to itself', () => {
    expect(JSON.stringify(failed('x', new Error('secret')))).not.toContain('secret')
    expect(failed('x', new ParseError({ code: 'Truncated', message: 'short' })).code).toBe('Truncated')
  })

  it('shows every failure of an appraisal', () => {
    const check = appraised('policy', [
      { path: 'vmpl', code: 'NotAllowed', expected: '0', actual: '1' },
      { path: 'measurement', code: 'NotEqual', expected: 'aa', actual: 'bb' },
    ])
    expect(check.outcome).toBe('failed')
    expect(check.children.map(({ name, found }) => [name, found])).toEqual([
      ['vmpl', '1'],
      ['measurement', 'bb'],
    ])
    expect(appraised('policy', []).outcome).toBe('passed')
  })
})
