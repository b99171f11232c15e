import { matchesWildcards } from './condition/wildcards.ts'

/** A set of rights: what `actions` allow, minus `notActions`. */
export interface RoleDefinition {
  /** GUID in lower case. */
  id: string
  name: string
  description: string
  actions: string[]
  notActions: string[]
  /** Rights to the data in a resource, which no action grants. */
  dataActions?: string[]
  notDataActions?: string[]
  /** Scopes at which the role can be assigned; all by default. */
  assignableScopes?: string[]
}

const fits = (pattern: string, action: string): boolean => matchesWildcards(pattern.toLowerCase(), action.toLowerCase())

export const roleAllows = (role: Pick<RoleDefinition, 'actions' | 'notActions'>, action: string): boolean =>
  role.actions.some((pattern) => fits(pattern, action)) && !role.notActions.some((pattern) => fits(pattern, action))
