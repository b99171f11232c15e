import type { ErrorCode } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Versioned } from './versioned.ts'

/**
 * Whether an object may be used now. Azure lets expired and not yet valid keys undo earlier operations (decrypt,
 * unwrap, verify), so that data is not lost; a disabled key does nothing.
 * @param operation as Azure names it in the message
 * @throws ServiceError 403 with KeyDisabled, KeyNotYetValid or KeyExpired
 */
export function assertUsable(
  object: Versioned,
  o: { noun: 'key' | 'secret'; operation: string; at: Date; outsideTimes?: boolean },
): void {
  const now = o.at.getTime() / 1000
  const refuse = (reason: ErrorCode, state: string, expected: string, found: string): ServiceError =>
    new ServiceError({
      code: 'Forbidden',
      reason,
      message: `Operation ${o.operation} is not allowed on ${state}.`,
      target: `${object.name}/${object.version}`,
      expected,
      found,
      remedy: `Use another ${o.noun}, or change its attributes.`,
    })
  const reasons = reasonsOf[o.noun]
  if (!object.enabled) throw refuse(reasons.disabled, `a disabled ${o.noun}`, 'enabled', 'disabled')
  if (o.outsideTimes === true) return
  if (object.nbf !== undefined && now < object.nbf) {
    throw refuse(
      reasons.notYetValid,
      `a ${o.noun} that is not yet valid`,
      `not before ${object.nbf}`,
      `${Math.floor(now)}`,
    )
  }
  if (object.exp !== undefined && now >= object.exp) {
    throw refuse(reasons.expired, `an expired ${o.noun}`, `before ${object.exp}`, `${Math.floor(now)}`)
  }
}

const reasonsOf = {
  key: { disabled: 'KeyDisabled', notYetValid: 'KeyNotYetValid', expired: 'KeyExpired' },
  secret: { disabled: 'SecretDisabled', notYetValid: 'SecretNotYetValid', expired: 'SecretExpired' },
} as const
