import type { DecidedClaims } from '@strongroom/contract'

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

/**
 * The VM named in a decision's evidence: `vmUniqueId`; for a guest, from its hardware's claims.
 * @example
 * import { vmIdOf } from '@strongroom/trust'
 *
 * const configuration = { 'vm-configuration': { vmUniqueId: '6F1E2B5C' } }
 * vmIdOf({ claims: { 'x-ms-isolation-tee': { 'x-ms-runtime': configuration } } }) // => '6F1E2B5C'
 */
export function vmIdOf({ claims, policyClaims }: DecidedClaims): string | undefined {
  const all = claims ?? policyClaims
  for (const holder of [all, memberOf(all, 'x-ms-isolation-tee')]) {
    const id = memberOf(memberOf(memberOf(holder, 'x-ms-runtime'), 'vm-configuration'), 'vmUniqueId')
    if (typeof id === 'string') return id
  }
  return undefined
}
