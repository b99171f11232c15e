import type { ClaimProperty, ClaimValue } from './syntax.ts'

export type Issuer = 'AttestationService' | 'AttestationPolicy' | 'CustomClaim'
export type ValueType = 'String' | 'Integer' | 'Boolean'

/** One fact about the attested machine: what the policy language works on. */
export interface Claim {
  type: string
  value: ClaimValue
  issuer: Issuer
  /** May be tested in conditions and never copied into a token (PCR values). */
  readOnly?: boolean
}

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

/** Claims with set semantics: adding what is there already changes nothing. Keeps insertion order. */
export class ClaimSet {
  readonly #claims = new Map<string, Claim>()
  readonly #byType = new Map<string, Claim[]>()

  constructor(claims: Iterable<Claim> = []) {
    for (const claim of claims) this.add(claim)
  }

  get size(): number {
    return this.#claims.size
  }

  /** False when the same claim was in the set before. */
  add(claim: Claim): boolean {
    const key = JSON.stringify([claim.type, claim.value, claim.issuer])
    if (this.#claims.has(key)) return false
    this.#claims.set(key, claim)
    const sameType = this.#byType.get(claim.type)
    if (sameType === undefined) this.#byType.set(claim.type, [claim])
    else sameType.push(claim)
    return true
  }

  ofType(type: string): readonly Claim[] {
    return this.#byType.get(type) ?? []
  }

  [Symbol.iterator](): IterableIterator<Claim> {
    return this.#claims.values()
  }
}
