import { describe, expect, it } from 'vitest'
import { CliError, describeError, exitCodes } from './cli-error.ts'
import { render } from './output.ts'

describe('output', () => {
  it('aligns a table and says when it is empty', () => {
    const table = {
      columns: ['Name', 'Size'],
      rows: [
        ['first', 'Standard_DC2as_v5'],
        ['b', 'x'],
      ],
    }
    expect(render({ data: [], table }, 'table')).toBe(
      'Name   Size\n-----  -----------------\nfirst  Standard_DC2as_v5\nb      x',
    )
    expect(render({ data: [], table: { ...table, rows: [] } }, 'table')).toBe('(none)')
  })

  it('gives programs the data whole', () => {
    expect(JSON.parse(render({ data: { a: 1 }, lines: ['for people'] }, 'json'))).toEqual({ a: 1 })
  })
})

describe('errors', () => {
  it('say which property or rule is at fault, to people and to programs', () => {
    const sent = { code: 'InvalidTags' as const, message: 'No.', target: 'properties.x', innererror: { remedy: 'c' } }
    const error = CliError.fromDetail(sent, 400)
    expect(describeError(error.detail)[0]).toBe('InvalidTags: No. (properties.x)')
    expect(error.toBody()).toEqual({ error: sent })
  })

  it('say what failed, what was expected and found, the remedy, and every detail', () => {
    const error = CliError.fromDetail(
      {
        code: 'InvalidParameter',
        message: 'Two rules fail.',
        innererror: { expected: 'a', found: 'b', remedy: 'c' },
        details: [{ code: 'InvalidField', message: 'First.', target: 'size' }],
      },
      400,
    )
    expect(describeError(error.detail)).toEqual([
      'InvalidParameter: Two rules fail.',
      '  expected: a',
      '  found:    b',
      '  remedy:   c',
      '  InvalidField: First. (size)',
    ])
    expect(error.exitCode).toBe(exitCodes.failed)
  })

  it('tell a missing thing from a failure by the exit code', () => {
    expect(CliError.fromDetail({ code: 'ResourceNotFound', message: '' }, 404).exitCode).toBe(exitCodes.notFound)
  })
})
