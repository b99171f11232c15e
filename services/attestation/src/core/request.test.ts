import { createHash } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { boundData, bytesOf, callBody, checkBinding, jsonOf, nonceOf, objectBody } from './request.ts'

/** Target and expectation of the refusal; `taken` if accepted. */
function refusal(read: () => unknown): unknown[] {
  try {
    read()
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    expect([error.status, error.code]).toEqual([400, 'InvalidParameter'])
    return [error.target, error.expected]
  }
  return ['taken']
}
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
const base64 = (text: string): string => Buffer.from(text).toString('base64url')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('the body of a call', () => {
  it('is an object', () => {
    const body = { a: 1 }
    expect([objectBody(body), callBody(body)]).toEqual([body, body])
    for (const other of [undefined, null, 7, 'a', [], [body]])
      for (const read of [objectBody, callBody]) expect(refusal(() => read(other))).toEqual(['body', 'a JSON object'])
  })

  it('nests 32 deep and no deeper, whatever beside it is flat', () => {
    // Deeper than any stack.
    let deep: unknown = 1
    for (let levels = 0; levels < 200_000; levels++) deep = [deep]
    expect(refusal(() => callBody({ a: nested(31), b: 1 }))).toEqual(['taken'])
    for (const body of [
      { a: nested(32) },
      { a: nested(32), b: nested(1) },
      { a: 1, b: nested(32) },
      { a: nested(1000) },
      { a: deep },
    ])
      expect(refusal(() => callBody(body))).toEqual(['body', 'JSON, at most 32 deep'])
  })
})

describe('JSON in bytes', () => {
  it('is UTF-8, 32 deep at most', () => {
    expect(jsonOf(bytes('{"a":"ä"}'), 'x')).toEqual({ a: 'ä' })
    expect([jsonOf(bytes('null'), 'x'), jsonOf(bytes('7'), 'x')]).toEqual([null, 7])
    expect(jsonOf(bytes(JSON.stringify(nested(32))), 'x')).toEqual(nested(32))
    for (const wrong of [bytes(''), bytes('{'), Uint8Array.of(0x22, 0xff, 0x22), bytes(JSON.stringify(nested(33)))])
      expect(refusal(() => jsonOf(wrong, 'x'))).toEqual(['x', 'UTF-8 JSON, at most 32 deep'])
  })
})

describe('bytes in a text', () => {
  it('are read in both alphabets, with padding or without', () => {
    for (const text of ['-_8', '+/8', '-_8=', '+/8='].filter((each) => !/[-_].*=/.test(each)))
      expect([text, [...bytesOf(text, 'x')]]).toEqual([text, [0xfb, 0xff]])
    for (const [text, value] of [
      ['AA', [0]],
      ['AA==', [0]],
      ['AAA', [0, 0]],
      ['AAA=', [0, 0]],
      ['AAAA', [0, 0, 0]],
    ] as const)
      expect([...bytesOf(text, 'x')]).toEqual([...value])
  })

  it.each([
    'A',
    'AAAAA',
    'AA=',
    'AAA==',
    'A===',
    'AAAA=',
    'AB==',
    'AAB=',
    'AB',
    '-+==',
    '-A==',
    'A A=',
    '=AAA',
    'AA==AA==',
  ])('are refused where the text is not what they give back: %s', (text) => {
    expect(refusal(() => bytesOf(text, 'x'))).toEqual(['x', 'base64url text'])
  })

  it.each([undefined, null, '', 7, {}, ['AAAA']])('are no %j', (value) => {
    expect(refusal(() => bytesOf(value, 'x'))).toEqual(['x', 'base64url text'])
  })
})

describe('data that is bound', () => {
  it('is JSON, bytes or absent', () => {
    expect([boundData(undefined, 'x'), boundData(null, 'x')]).toEqual([undefined, undefined])
    expect(boundData({ data: base64('{"a":1}'), dataType: 'JSON' }, 'x')).toEqual({
      bytes: bytes('{"a":1}'),
      dataType: 'JSON',
      json: { a: 1 },
    })
    expect(boundData({ data: base64('{'), dataType: 'Binary' }, 'x')).toEqual({ bytes: bytes('{'), dataType: 'Binary' })
  })

  it('is none where runtime data is empty, and a fault where init-time data is', () => {
    for (const dataType of ['JSON', 'Binary']) {
      expect(boundData({ data: '', dataType }, 'runtimeData')).toBeUndefined()
      expect(refusal(() => boundData({ data: '', dataType }, 'initTimeData'))[0]).toBe('initTimeData.data')
      expect(boundData({ data: base64('{}'), dataType }, 'runtimeData')?.bytes).toEqual(bytes('{}'))
    }
  })

  it('names the member at fault', () => {
    for (const dataType of ['json', 'Text', '', 7, null, undefined])
      expect(refusal(() => boundData({ data: 'AAAA', dataType }, 'x'))).toEqual(['x.dataType', 'JSON or Binary'])
    expect(refusal(() => boundData({ dataType: 'JSON' }, 'x'))[0]).toBe('x.data')
    expect(refusal(() => boundData({ data: base64('{'), dataType: 'JSON' }, 'x'))[0]).toBe('x.data')
    expect(refusal(() => boundData('AAAA', 'x'))[0]).toBe('body')
    const shown = (dataType: unknown): string | undefined => {
      try {
        boundData({ dataType }, 'x')
      } catch (error) {
        return (error as ServiceError).found
      }
      return undefined
    }
    expect([shown('Text'), shown(undefined)]).toEqual(['"Text"', 'nothing'])
  })

  it('has 64 KiB at most', () => {
    const sized = (size: number): unknown => ({ data: Buffer.alloc(size).toString('base64url'), dataType: 'Binary' })
    expect(refusal(() => boundData(sized(65_536), 'x'))).toEqual(['taken'])
    expect(refusal(() => boundData(sized(65_537), 'x'))).toEqual(['x.data', 'at most 65536 bytes'])
  })
})

describe('a nonce', () => {
  it('is a text of 1024 characters at most, or absent', () => {
    const longest = 'n'.repeat(1024)
    expect([nonceOf(undefined), nonceOf(null), nonceOf(''), nonceOf(longest)]).toEqual([
      undefined,
      undefined,
      '',
      longest,
    ])
    for (const value of [`${longest}n`, 7, {}, [], true])
      expect(refusal(() => nonceOf(value))).toEqual(['nonce', 'text of at most 1024 characters'])
  })
})

describe('the link between hardware and data', () => {
  const data = { bytes: bytes('data'), dataType: 'Binary' } as const
  const field = (hash: string, length: number): Uint8Array => {
    const whole = new Uint8Array(length)
    whole.set(createHash(hash).update('data').digest())
    return whole
  }
  const check = (given: Uint8Array, hash: 'sha256' | 'sha384'): void =>
    checkBinding({ data, field: given, hash, target: 'runtimeData', fieldName: 'report_data' })

  it('is the digest of the exact bytes, and zeros to the end of the field', () => {
    for (const [hash, length] of [
      ['sha256', 64],
      ['sha256', 32],
      ['sha384', 48],
      ['sha384', 64],
    ] as const) {
      const good = field(hash, length)
      expect(refusal(() => check(good, hash))).toEqual(['taken'])
      for (const at of [0, 31, length - 1]) {
        const other = Uint8Array.from(good)
        other[at]! ^= 1
        expect(refusal(() => check(other, hash))).toEqual(['runtimeData', Buffer.from(good).toString('hex')])
      }
    }
    expect(refusal(() => check(field('sha384', 48), 'sha256'))[0]).toBe('runtimeData')
  })

  it('says what the field holds, and what has to be sent', () => {
    const fault = (hash: 'sha256' | 'sha384'): ServiceError => {
      try {
        check(new Uint8Array(64).fill(0xab), hash)
      } catch (error) {
        return error as ServiceError
      }
      throw new Error('the field was taken')
    }
    expect(fault('sha256')).toMatchObject({ found: 'ab'.repeat(64), details: [{ code: 'BindingMismatch' }] })
    expect(fault('sha256').remedy).toContain('SHA-256')
    expect(fault('sha384').remedy).toContain('SHA-384')
  })
})
