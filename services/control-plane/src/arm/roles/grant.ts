import type { RoleAssignmentTable } from '../../store/tables.ts'
import { all, holds, type Truth } from './condition/evaluate.ts'
import type { Attributes, Condition } from './condition/condition.ts'
import { parseCondition } from './condition/parse.ts'
import { roleAllows, type RoleDefinition } from './role-definition.ts'

export type Conditional = Pick<RoleAssignmentTable, 'condition'>

export const isConditional = ({ condition }: Conditional): boolean => condition !== null && condition !== undefined

const ofAssignments = 'microsoft.authorization/roleassignments/'
/** Only requests about role assignments have attributes; of other requests they do not exist. */
const attributesOf = (action: string): Attributes[] => [
  action.toLowerCase().startsWith(ofAssignments) ? {} : { request: {}, resource: {} },
]

const writeRoles = 'Microsoft.Authorization/roleDefinitions/write'
const giveRoles = ['Microsoft.Authorization/roleAssignments/write', writeRoles]

/** Whoever holds the role can give themselves any other. */
export const givesRoles = (role: Pick<RoleDefinition, 'actions' | 'notActions'>): boolean =>
  giveRoles.some((action) => roleAllows(role, action))

/** Whether only the request itself shows by what attributes it is judged. */
export const isIncomplete = ({ request }: Attributes): boolean =>
  request === undefined ||
  request.roleDefinitionId === undefined ||
  request.principalId === undefined ||
  request.principalType === undefined

const parsed = new Map<string, Condition | undefined>()

/** Undefined if it cannot be evaluated: a later release stored it. */
function conditionOf(text: string): Condition | undefined {
  if (parsed.has(text)) return parsed.get(text)
  let condition: Condition | undefined
  try {
    condition = parseCondition(text)
  } catch {
    condition = undefined
  }
  if (parsed.size >= 1_000) parsed.clear()
  parsed.set(text, condition)
  return condition
}

/**
 * The one decision on whether an assignment of a role allows an action. Undefined: only if attributes that are not
 * given fit its condition, which is no right yet.
 * @param requests attributes by which the condition has to hold, in each of them
 */
export function grants(
  assignment: Conditional,
  role: Pick<RoleDefinition, 'actions' | 'notActions'>,
  action: string,
  requests: Attributes[] = attributesOf(action),
): Truth {
  if (!roleAllows(role, action)) return false
  const { condition } = assignment
  if (condition === null || condition === undefined) return true
  // A delegate that rewrites a role which it may assign has every right, whatever its condition.
  if (action.toLowerCase() === writeRoles.toLowerCase()) return false
  const known = conditionOf(condition)
  if (known === undefined) return false
  return all(requests.map((attributes) => holds(known, { ...attributes, action })))
}
