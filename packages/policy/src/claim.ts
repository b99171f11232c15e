import type { ClaimProperty, ClaimValue } from './syntax.ts'

export type Issuer = 'AttestationService' | 'AttestationPolicy' | 'CustomClaim'
export type ValueType = 'String' | 'Integer' | 'Boolean'

/** One fact about the attested VM, which the policy language works on. */
export interface Claim {
  type: string
  value: ClaimValue
  issuer: Issuer
  /** May be tested in conditions, but never copied into a token (PCR values). */
  readOnly?: boolean
}

/**
 * The type of a value as conditions name it (`valueType`).
 * @example
 * import { valueTypeOf } from '@strongroom/policy'
 *
 * valueTypeOf(7) // => 'Integer'
 * valueTypeOf('7') // => 'String'
 */
export function valueTypeOf(value: ClaimValue): ValueType {
  if (typeof value === 'string') return 'String'
  return typeof value === 'boolean' ? 'Boolean' : 'Integer'
}

export function propertyOf(claim: Claim, property: ClaimProperty): ClaimValue {
  switch (property) {
    case 'type':
      return claim.type
    case 'value':
      return claim.value
    case 'valueType':
      return valueTypeOf(claim.value)
    case 'issuer':
      return claim.issuer
  }
}

interface OfOneType {
  claims: Claim[]
  byValue: Map<ClaimValue, Claim[]>
}

/**
 * Claims with set semantics: adding an existing claim (type, value, issuer) changes nothing. Keeps insertion order.
 * @example
 * import { ClaimSet } from '@strongroom/policy'
 *
 * const claims = new ClaimSet([{ type: 'tee', value: 'sevsnpvm', issuer: 'AttestationService' }])
 * claims.add({ type: 'tee', value: 'sevsnpvm', issuer: 'AttestationService' }) // => false
 * claims.add({ type: 'tee', value: 'sevsnpvm', issuer: 'AttestationPolicy' }) // => true
 * claims.ofType('tee').length // => 2
 */
export class ClaimSet {
  readonly #claims: Claim[] = []
  readonly #byType = new Map<string, OfOneType>()

  constructor(claims: Iterable<Claim>) {
    for (const claim of claims) this.add(claim)
  }

  get size(): number {
    return this.#claims.length
  }

  /** False if the set already contained the claim. */
  add(claim: Claim): boolean {
    let ofType = this.#byType.get(claim.type)
    if (ofType === undefined) this.#byType.set(claim.type, (ofType = { claims: [], byValue: new Map() }))
    const equal = ofType.byValue.get(claim.value)
    if (equal?.some(({ issuer }) => issuer === claim.issuer)) return false
    if (equal === undefined) ofType.byValue.set(claim.value, [claim])
    else equal.push(claim)
    ofType.claims.push(claim)
    this.#claims.push(claim)
    return true
  }

  /** In insertion order. A view that grows with the set. */
  ofType(type: string): readonly Claim[] {
    return this.#byType.get(type)?.claims ?? []
  }

  [Symbol.iterator](): IterableIterator<Claim> {
    return this.#claims.values()
  }
}
