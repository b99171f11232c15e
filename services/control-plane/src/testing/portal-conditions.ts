const of = '[Microsoft.Authorization/roleAssignments:'
const privileged = [
  '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
  '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  'f58310d9-a9f6-439a-9e8d-f62e7b41a168',
]

/** Laid out as Azure's portal does: one part for what is written, one for what is deleted. */
const portalText = (parts: string[]): string =>
  (['write', 'delete'] as const)
    .map((verb) => {
      const source = verb === 'write' ? '@Request' : '@Resource'
      const all = parts.map((part) => `  ${source}${of}${part}`).join('\n  AND\n')
      return `(\n (\n  !(ActionMatches{'Microsoft.Authorization/roleAssignments/${verb}'})\n )\n OR \n (\n${all}\n )\n)`
    })
    .join('\nAND\n')

/** The conditions that Azure's portal offers for delegates, by what they limit. */
export const portalConditions = (o: { roles: string[]; principals: string[] }): Record<string, string> => {
  const roles = `RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${o.roles.join(', ')}}`
  const types = "PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'User'}"
  const principals = `PrincipalId] ForAnyOfAnyValues:GuidEquals {${o.principals.join(', ')}}`
  return {
    'selected roles': portalText([roles]),
    'selected roles and principal types': portalText([roles, types]),
    'selected roles and principals': portalText([roles, principals]),
    'all but privileged roles': portalText([
      `RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {${privileged.join(', ')}}`,
    ]),
  }
}
