import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatJoinCode, parseJoinCode } from './fleet.ts'
import { hostNameForm } from './names/names.ts'

const part = fc.stringMatching(/^[A-Za-z0-9_-]{43}$/)
const code = fc.record({
  name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/),
  authority: part,
  secret: part,
})

describe('a join code', () => {
  it('is read as it was written, with white space around it', () => {
    fc.assert(
      fc.property(code, (made) => {
        expect(parseJoinCode(` ${formatJoinCode(made)}\n`)).toEqual(made)
      }),
    )
  })

  it('is nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '.', '-', '_', 'A') })), (text) => {
        const read = parseJoinCode(text)
        if (read !== undefined)
          expect([formatJoinCode(read), hostNameForm.test(read.name)]).toEqual([text.trim(), true])
      }),
    )
    const [made] = fc.sample(code, 1)
    for (const wrong of [
      '',
      `${formatJoinCode(made!)}x`,
      formatJoinCode({ ...made!, name: '-a' }),
      formatJoinCode({ ...made!, secret: 'a' }),
    ])
      expect(parseJoinCode(wrong)).toBeUndefined()
  })
})
