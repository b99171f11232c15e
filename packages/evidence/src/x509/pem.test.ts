import { describe, expect, it } from 'vitest'
import { parsePem, parsePemChain } from './pem.ts'

const block = (body: string, label = 'CERTIFICATE'): string =>
  `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----`
const [first, second] = [block('MAA='), block('MAE=')]
const ders = [Uint8Array.of(0x30, 0), Uint8Array.of(0x30, 1)]
const refused = (code: string, facts: object = {}): unknown =>
  expect.objectContaining({ name: 'ParseError', code, ...facts })

describe('a chain in PEM', () => {
  it.each([
    ['one after the other', `${first}${second}`],
    ['with white space around', ` \t\r\n${first} \t\r\n${second}\n \t\r`],
    ['with a NUL at its end', `${first}\n${second}\n\0`],
    ['with white space in its blocks', `${first.replace('MAA=', 'M\tA\r\nA =')}${second}`],
  ])('is read %s', (_, text) => {
    expect(parsePemChain(text)).toEqual(ders)
  })

  it.each<[what: string, text: string, code: string, facts?: object]>([
    ['text before it', `x${first}`, 'TrailingBytes', { offset: 0 }],
    ['text between its blocks', `${first}\nx\n${second}`, 'TrailingBytes', { offset: first.length + 1 }],
    ['text after it', `${first}\nx`, 'TrailingBytes', { offset: first.length + 1 }],
    ['two NULs at its end', `${first}\0\0`, 'TrailingBytes', { offset: first.length }],
    ['a NUL before it', `\0${first}`, 'TrailingBytes', { offset: 0 }],
    ['other space than ASCII’s', `${first}\u00a0`, 'TrailingBytes'],
    [
      'a block of another kind',
      `${first}\n${block('MAA=', 'PUBLIC KEY')}`,
      'UnknownType',
      { offset: first.length + 1 },
    ],
    ['no block', '', 'Missing'],
    ['white space alone', '\n', 'Missing'],
  ])('is refused with %s', (_, text, code, facts) => {
    expect(() => parsePemChain(text)).toThrow(refused(code, facts))
  })
})

describe('blocks of PEM', () => {
  it('are those of the label that was asked for, whatever stands around', () => {
    const text = `subject=x\n${first}\nissuer=y\n${block('MAI=', 'X509 CRL')}\n${second}\nend`
    expect(parsePem(text)).toEqual(ders)
    expect(parsePem(text, 'X509 CRL')).toEqual([Uint8Array.of(0x30, 2)])
  })

  it.each<[what: string, text: string, code: string, facts?: object]>([
    ['no label', block('MAA=', ''), 'InvalidEncoding', { offset: 0 }],
    ['a label in small letters', `x${block('MAA=', 'certificate')}`, 'InvalidEncoding', { offset: 1 }],
    ['a label longer than any', block('MAA=', 'A'.repeat(65)), 'InvalidEncoding'],
    ['a label of other signs', block('MAA=', 'X_Y'), 'InvalidEncoding'],
    ['a label that does not end', '-----BEGIN CERTIFICATE', 'InvalidEncoding'],
    ['no end', `x${first.slice(0, -5)}`, 'Truncated', { offset: 1 }],
    ['the end of another', `${first.replace('END CERTIFICATE', 'END X')}`, 'Truncated'],
    ['an end before its beginning', '-----END X-----BEGIN X-----', 'Truncated'],
    ['a body that is not base64', block('M*A='), 'InvalidEncoding'],
    ['a body without padding', block('MAA'), 'InvalidEncoding'],
    ['none of that label', block('MAA=', 'A'.repeat(64)), 'Missing'],
  ])('are refused with %s', (_, text, code, facts) => {
    expect(() => parsePem(text)).toThrow(refused(code, facts))
  })

  it('are bounded', () => {
    expect(parsePem(first.padEnd(1 << 20))).toEqual([ders[0]])
    expect(() => parsePem(first.padEnd((1 << 20) + 1))).toThrow(refused('TooLarge'))
  })
})
