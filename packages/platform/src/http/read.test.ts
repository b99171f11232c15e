import { anyText, integer, list, named, object, optional } from '@strongroom/contract/shape'
import { describe, expect, it } from 'vitest'
import type { ServiceError } from '../errors/errors.ts'
import { read } from './read.ts'

const lamp = named(
  'Lamp',
  object({ name: anyText, bulbs: list(object({ watts: integer(1, 100) })), note: optional(anyText) }),
)
const refusal = (value: unknown): ServiceError => {
  try {
    read(lamp, value, { code: 'InvalidRequestContent', subject: 'The lamp' })
  } catch (error) {
    return error as ServiceError
  }
  throw new Error('it was accepted')
}

describe('what a caller sent', () => {
  it('is taken as it is where it has the shape', () => {
    const value = { name: 'hall', bulbs: [{ watts: 5 }] }
    expect(read(lamp, value, { code: 'InvalidRequestContent', subject: 'The lamp' })).toBe(value)
  })

  it('is refused with each member that is wrong: where, what was expected and what was found', () => {
    const body = refusal({ bulbs: [{ watts: 0 }, { watts: 5, hot: true }], note: 7 }).toBody()
    expect(body).toEqual({
      error: {
        code: 'InvalidRequestContent',
        message: 'The lamp is not acceptable: name, bulbs[0].watts, note, bulbs[1].hot.',
        target: 'name',
        details: [
          { code: 'InvalidField', target: 'name', message: 'Expected a text, found nothing.' },
          {
            code: 'InvalidField',
            target: 'bulbs[0].watts',
            message: 'Expected a whole number from 1 to 100, found 0.',
          },
          { code: 'InvalidField', target: 'note', message: 'Expected a text, found 7.' },
          { code: 'UnknownField', target: 'bulbs[1].hot', message: 'Expected no member of this name, found true.' },
        ],
        innererror: { expected: 'a text', found: 'nothing' },
      },
    })
  })

  it('does not come back in the refusal: neither a secret nor ten thousand names', () => {
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`member-${index}`, 'hunter2-and-more']),
    )
    const error = refusal({ name: 1, bulbs: [], note: { password: 'hunter2' }, ...many })
    const text = JSON.stringify(error.toBody())
    expect(text).not.toContain('hunter2')
    expect(text.length).toBeLessThan(50_000)
    expect(error.message).toContain('and 9902 more')
  })
})
