import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyVaultRoles } from './key-vault-roles.ts'
import type { RoleDefinition } from './role-definition.ts'

type Entry = Omit<RoleDefinition, 'notActions'> & { notActions?: string[] }

/** Azure's built-in roles that the operations of this installation need, with Azure's ids; Owner is the first. */
export const roles: RoleDefinition[] = [
  ...(JSON.parse(readFileSync(join(import.meta.dirname, 'roles.json'), 'utf8')) as Entry[]).map((entry) => ({
    notActions: [],
    ...entry,
  })),
  ...keyVaultRoles,
]
