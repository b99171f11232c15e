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

const patterns = new Map<string, RegExp>()

function fits(pattern: string, action: string): boolean {
  let expression = patterns.get(pattern)
  if (expression === undefined) {
    // Consecutive stars are merged: `.*.*.*…` would backtrack forever on a mismatch.
    const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/\*+/g, '.*')
    expression = new RegExp(`^${escaped}$`, 'i')
    if (patterns.size > 2_000) patterns.clear()
    patterns.set(pattern, expression)
  }
  return expression.test(action)
}

export const roleAllows = (role: Pick<RoleDefinition, 'actions' | 'notActions'>, action: string): boolean =>
  role.actions.some((pattern) => fits(pattern, action)) && !role.notActions.some((pattern) => fits(pattern, action))
