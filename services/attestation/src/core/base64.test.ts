import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bytesOf } from './request.ts'

/** A text decoded and encoded again by Node. */
function givesItselfBack(text: string): boolean {
  const alphabet = /[+/=]/.test(text) ? 'base64' : 'base64url'
  const again = Buffer.from(text, alphabet).toString(alphabet)
  return text !== '' && (again === text || again.replace(/=+$/, '') === text)
}

function isTaken(text: string): boolean {
  try {
    bytesOf(text, 'field')
    return true
  } catch {
    return false
  }
}

it('takes base64 of either alphabet that its bytes give back, and nothing else', () => {
  const digit = fc.constantFrom(...Array.from('ABCDwxyz0189+/-_=='), ' ', '\n', 'ä', '\0')
  fc.assert(
    fc.property(fc.string({ unit: digit, maxLength: 12 }), (text) => isTaken(text) === givesItselfBack(text)),
    { numRuns: 20_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.constantFrom('base64', 'base64url'), (bytes, alphabet) => {
      const text = Buffer.from(bytes).toString(alphabet as 'base64')
      return [text, text.replace(/=+$/, '')].every((form) => Buffer.from(bytesOf(form, 'field')).equals(bytes))
    }),
  )
  expect([isTaken('QQ'), isTaken('QR'), isTaken('Q'), isTaken('QQ='), isTaken('QQ==')]).toEqual([
    true,
    false,
    false,
    false,
    true,
  ])
})
