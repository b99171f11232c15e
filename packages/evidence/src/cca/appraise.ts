import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { Failure } from '../core/failure.ts'
import type { CcaToken } from './token.ts'

/** Requirements on a realm and its platform. Omitted rules are not appraised, except the platform's lifecycle. */
export interface CcaPolicy {
  /** Allowed realm initial measurements (RIM), of the realm's digest algorithm: 32, 48 or 64 bytes each. */
  initialMeasurements?: readonly Uint8Array[]
  /** Required realm extensible measurements (REM), by number 0 to 3. */
  extensibleMeasurements?: Readonly<Record<number, Uint8Array>>
  /** Required realm personalization value, 64 bytes. */
  personalization?: Uint8Array
  /** Allowed platforms: implementation ids (32 bytes) and instance ids (33 bytes). */
  implementationIds?: readonly Uint8Array[]
  instanceIds?: readonly Uint8Array[]
}

/** Lifecycle states in which a platform cannot be debugged (RMM specification, A.7.2). */
const secured = { from: 0x3000, to: 0x30ff }

/** Compares a realm's token with a policy. Returns every failure; an empty list means accepted. */
export function appraiseCca({ platform, realm }: CcaToken, policy: CcaPolicy): Failure[] {
  const failures: Failure[] = []
  const { lifecycle } = platform
  if (!(lifecycle >= secured.from && lifecycle <= secured.to)) {
    const fault = { path: 'lifecycle', code: 'Forbidden', expected: 'secured (0x3000 to 0x30ff)' } as const
    failures.push({ ...fault, actual: `0x${lifecycle.toString(16)}` })
  }
  const oneOf = (path: string, found: Uint8Array | undefined, allowed: readonly Uint8Array[] | undefined): void => {
    if (allowed === undefined || (found !== undefined && allowed.some((value) => equal(value, found)))) return
    const expected = allowed.map(toHex).join(' or ') || 'nothing is allowed'
    if (found === undefined) failures.push({ path, code: 'Missing', expected, actual: 'no such register' })
    else failures.push({ path, code: allowed.length === 1 ? 'NotEqual' : 'NotAllowed', expected, actual: toHex(found) })
  }
  oneOf('initialMeasurement', realm.initialMeasurement, policy.initialMeasurements)
  for (const [index, value] of Object.entries(policy.extensibleMeasurements ?? {})) {
    oneOf(`extensibleMeasurements.${index}`, realm.extensibleMeasurements[Number(index)], [value])
  }
  oneOf('personalization', realm.personalization, policy.personalization && [policy.personalization])
  oneOf('implementationId', platform.implementationId, policy.implementationIds)
  oneOf('instanceId', platform.instanceId, policy.instanceIds)
  return failures
}
