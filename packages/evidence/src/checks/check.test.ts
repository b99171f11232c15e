import { describe, expect, it } from 'vitest'
import { allOf, appraised, failed, firstFailure, missingChecks, passed, skipped } from './check.ts'
import { Checklist } from './checklist.ts'
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
    expect(failed('azure', new ParseError({ code: 'Truncated', message: 'short' }))).toMatchObject({
      code: 'Truncated',
      message: 'short',
    })
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

describe('a check', () => {
  it('has what it found and where its rule stands, and no member that is empty', () => {
    const own = { id: 'snp.committed', shows: expect.any(String), source: 'AMD 56860, SNP_COMMIT', children: [] }
    expect(passed('snp.committed')).toStrictEqual({ ...own, outcome: 'passed' })
    expect(passed('snp.committed', '')).toStrictEqual({ ...own, outcome: 'passed', actual: '' })
    expect(skipped('snp.committed', 'why')).toStrictEqual({ ...own, outcome: 'skipped', message: 'why' })
    expect(skipped('snp.committed', 'why', { optional: false })).not.toHaveProperty('optional')
    expect(skipped('snp.committed', 'why', { optional: true }).optional).toBe(true)
    expect(passed('snp')).not.toHaveProperty('source')
    expect(allOf('snp', [passed('snp.tcb')], 'x')).toStrictEqual({
      id: 'snp',
      shows: expect.any(String),
      outcome: 'passed',
      actual: 'x',
      children: [passed('snp.tcb')],
    })
    expect(allOf('snp', [])).not.toHaveProperty('actual')
  })

  it('that an error ended has its code, place and facts', () => {
    const parse = new ParseError({ code: 'Truncated', message: 'short', offset: 0, expected: '2', found: '1' })
    expect(failed('snp', parse)).toStrictEqual({
      id: 'snp',
      shows: expect.any(String),
      outcome: 'failed',
      code: 'Truncated',
      message: 'short (at byte 0)',
      expected: '2',
      actual: '1',
      children: [],
    })
    const bare = failed('snp', new VerificationError({ code: 'TcbMismatch', message: 'differs' }))
    expect([bare.code, bare.message, 'expected' in bare, 'actual' in bare]).toEqual([
      'TcbMismatch',
      'differs',
      false,
      false,
    ])
    for (const strange of [new Error('x'), 'x', undefined])
      expect(failed('snp', strange)).toMatchObject({ outcome: 'failed', code: 'Unexpected', children: [] })
  })

  it('of a policy has one child for each rule that failed', () => {
    const failure = { path: 'vmpl', code: 'NotAllowed', expected: '0', actual: '1' } as const
    expect(appraised('snp.policy', [failure]).children).toStrictEqual([
      {
        id: 'policy.vmpl',
        shows: expect.stringContaining('vmpl'),
        outcome: 'failed',
        code: 'NotAllowed',
        expected: '0',
        actual: '1',
        children: [],
      },
    ])
  })

  it('may be left out where nobody asked for it', () => {
    const unasked = skipped('snp.policy', 'none', { optional: true })
    expect(allOf('snp', [passed('snp.tcb'), unasked]).outcome).toBe('passed')
    expect(allOf('snp', [unasked]).outcome).toBe('skipped')
    expect(allOf('snp', [unasked, skipped('snp.tcb', 'x'), passed('snp.chip')]).outcome).toBe('skipped')
  })
})

describe('what is looked for in a tree', () => {
  const broken = failed('snp.tcb', new Error('x'))
  const open = skipped('snp.chip', 'x')
  const unasked = skipped('snp.policy', 'x', { optional: true })

  it('is the innermost failure, the first of several', () => {
    const appraisal = appraised('snp.policy', [{ path: 'a', code: 'NotEqual', expected: '', actual: '' }])
    expect(firstFailure(allOf('evidence', [passed('snp.tcb'), allOf('snp', [open, appraisal, broken])]))?.id).toBe(
      'policy.a',
    )
    expect(firstFailure(broken)).toBe(broken)
    expect(firstFailure(open)).toBeUndefined()
  })

  it('is what was not looked at and would have to be, each once', () => {
    expect(
      missingChecks(allOf('evidence', [allOf('snp', [open, unasked]), allOf('tdx', [])])).map(({ id }) => id),
    ).toEqual(['snp.chip', 'tdx'])
    expect([missingChecks(unasked), missingChecks(passed('snp.tcb')), missingChecks(broken)]).toEqual([[], [], []])
    expect(missingChecks(allOf('snp', [passed('snp.tcb'), unasked]))).toEqual([])
  })
})

describe('a list of checks', () => {
  it('hands on what passed, and skips what rests on what did not', async () => {
    const list = new Checklist()
    expect(list.whole).toBe(true)
    const one = await list.run('snp.format', [], () => 1, String)
    expect(await list.run('snp.tcb', [one, 2], (a: number, b: number) => Promise.resolve(a + b))).toBe(3)
    expect(list.whole).toBe(true)
    list.skip('snp.policy', 'none', { optional: true })
    expect(list.whole).toBe(true)
    const none = await list.run('snp.chip', [], () =>
      Promise.reject(new ParseError({ code: 'Truncated', message: 'x' })),
    )
    expect([none, list.whole]).toEqual([undefined, false])
    let ran = false
    await list.run('snp.product', [one, none], (_one: number, _none: number) => void (ran = true))
    expect(ran).toBe(false)
    list.add(passed('snp.committed'), passed('snp.signature'))
    list.skip('snp.endorsement', 'not given')
    const tree = list.all('snp', 'x')
    expect([tree.id, tree.outcome, tree.actual]).toEqual(['snp', 'failed', 'x'])
    expect(
      tree.children.map(({ id, outcome, actual, code, optional }) => [id, outcome, actual ?? code ?? optional]),
    ).toEqual([
      ['snp.format', 'passed', '1'],
      ['snp.tcb', 'passed', undefined],
      ['snp.policy', 'skipped', true],
      ['snp.chip', 'failed', 'Truncated'],
      ['snp.product', 'skipped', undefined],
      ['snp.committed', 'passed', undefined],
      ['snp.signature', 'passed', undefined],
      ['snp.endorsement', 'skipped', undefined],
    ])
  })

  it('is not whole while something that is asked for is missing', () => {
    const list = new Checklist()
    list.skip('snp.chip', 'not given')
    expect(list.whole).toBe(false)
  })
})
