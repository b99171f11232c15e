import type { Position } from './policy-error.ts'

/** Syntax tree of a policy, versions 1.0 to 1.2 (facts section 5.5). */
export interface Policy {
  version: PolicyVersion
  /** Undefined if the segment is absent, which prints differently from an empty one. */
  configurationRules?: Rule[]
  authorizationRules: Rule[]
  issuanceRules?: Rule[]
  /** Comments outside any rule, each without its `//`. */
  comments?: Partial<Record<CommentPlace, string[]>>
}

/** Before the version, before a segment or at its end, after everything. */
export type CommentPlace = 'version' | Segment | `${Segment} end` | 'end'

export type PolicyVersion = '1.0' | '1.1' | '1.2'
export type Segment = 'configurationrules' | 'authorizationrules' | 'issuancerules'

export interface Rule {
  conditions: Condition[]
  action: Action
  position: Position
  /** Comments before the rule, inside it, and after it on its line. */
  comments?: string[]
}

/** Filters the incoming claims: true if a claim matches, or with `negated` if none does. */
export interface Condition {
  negated: boolean
  id?: string
  tests: PropertyTest[]
  position: Position
}

export interface PropertyTest {
  property: ClaimProperty
  operator: Operator
  expression: Expression
  position: Position
}

export type ClaimProperty = 'type' | 'value' | 'valueType' | 'issuer'
export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>='

export type Action =
  | { kind: 'permit' | 'deny' }
  | { kind: ClaimVerb; claim: string; position: Position }
  | { kind: ClaimVerb; properties: PropertyAssignment[]; position: Position }

export type ClaimVerb = 'add' | 'issue' | 'issueproperty'

export interface PropertyAssignment {
  property: ClaimProperty
  expression: Expression
}

export type Expression =
  | { kind: 'literal'; value: ClaimValue; position: Position }
  | { kind: 'property'; id: string; property: ClaimProperty; position: Position }
  | { kind: 'call'; name: FunctionName; arguments: Expression[]; position: Position }

/** Integers are safe integers. */
export type ClaimValue = string | number | boolean

export const functionArity = {
  JmesPath: 2,
  JsonToClaimValue: 1,
  IsSubsetOf: 2,
  AppendString: 2,
  NegateBool: 1,
  ContainsOnlyValue: 2,
} as const

export type FunctionName = keyof typeof functionArity
