import { describe, expect, it } from 'vitest'
import { allOf, appraised, failed, firstFailure, passed, skipped } from './check.ts'
import { ParseError, VerificationError } from '../core/errors.ts'

describe('a tree of checks', () => {
  it('passes only when there is something in it and all of that passed', () => {
    expect(allOf('azure', [passed('certificates.format'), passed('certificates.path')]).outcome).toBe('passed')
    expect(allOf('azure', []).outcome).toBe('skipped')
    expect(allOf('azure', [passed('certificates.format'), skipped('certificates.path', 'not looked at')]).outcome).toBe(
      'skipped',
    )
    expect(
      allOf('azure', [
        skipped('certificates.format', 'not looked at'),
        failed('certificates.path', new Error('x')),
        passed('collateral.time'),
      ]).outcome,
    ).toBe('failed')
  })

  it('names the link that broke, with what was expected and found', () => {
    const error = new VerificationError({ code: 'TcbMismatch', message: 'TCB differs', expected: '8', found: '7' })
    const tree = allOf('azure', [
      passed('collateral.format'),
      allOf('certificates', [passed('certificates.path'), failed('collateral.time', error)]),
      skipped('tpm.signature', 'before'),
    ])
    expect(firstFailure(tree)).toMatchObject({
      id: 'collateral.time',
      outcome: 'failed',
      code: 'TcbMismatch',
      message: 'TCB differs',
      expected: '8',
      actual: '7',
      children: [],
    })
    expect(firstFailure(allOf('azure', [passed('certificates.format')]))).toBeUndefined()
  })

  it('keeps the text of unforeseen errors to itself', () => {
    expect(JSON.stringify(failed('azure', new Error('secret')))).not.toContain('secret')
    expect(failed('azure', new ParseError({ code: 'Truncated', message: 'short' })).code).toBe('Truncated')
  })

  it('shows every failure of an appraisal', () => {
    const check = appraised('azure', [
      { path: 'vmpl', code: 'NotAllowed', expected: '0', actual: '1' },
      { path: 'measurement', code: 'NotEqual', expected: 'aa', actual: 'bb' },
    ])
    expect(check.outcome).toBe('failed')
    expect(check.children.map(({ id, actual }) => [id, actual])).toEqual([
      ['policy.vmpl', '1'],
      ['policy.measurement', 'bb'],
    ])
    expect(appraised('azure', []).outcome).toBe('passed')
  })
})
