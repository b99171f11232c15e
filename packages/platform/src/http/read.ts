import type { SettledCode } from '@strongroom/contract'
import { faultsOf, type Shape } from '@strongroom/contract/shape'
import { ServiceError } from '../errors/errors.ts'

/** The number of reported faults is limited. */
const mostFaults = 100

/**
 * Checks a caller's input against its shape, member by member.
 * @param o subject: what was sent, as the first words of the message
 * @throws ServiceError with the code; its details list each malformed member with expected and found, and each unknown
 * one: unknown members are not stored for a later reader to find
 */
export function read<T>(shape: Shape<T>, value: unknown, o: { code: SettledCode; subject: string }): T {
  const faults = faultsOf(shape, value)
  const [first] = faults
  if (first === undefined) return value as T
  const shown = faults.slice(0, mostFaults)
  const more = faults.length > shown.length ? ` and ${faults.length - shown.length} more` : ''
  throw new ServiceError({
    code: o.code,
    message: `${o.subject} is not acceptable: ${shown.map(({ target }) => target).join(', ')}${more}.`,
    target: first.target,
    details: shown.map(({ code, target, expected, found }) => ({
      code,
      target,
      message: `Expected ${expected}, found ${found}.`,
    })),
    expected: first.expected,
    found: first.found,
  })
}
