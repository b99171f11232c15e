import type { Group, User } from '../directory/directory.ts'
import type { Principal } from '../directory/principals.ts'

/** Directory objects as Graph shows them; clients tell their kind by `@odata.type`. */
export const userView = (user: User): Record<string, unknown> => ({
  '@odata.type': '#microsoft.graph.user',
  id: user.id,
  displayName: user.display_name,
  userPrincipalName: user.user_principal_name,
  mailNickname: user.mail_nickname,
  accountEnabled: user.enabled,
  mail: null,
})

export const groupView = (group: Group): Record<string, unknown> => ({
  '@odata.type': '#microsoft.graph.group',
  id: group.id,
  displayName: group.display_name,
  description: group.description,
  mailNickname: group.mail_nickname,
  mailEnabled: false,
  securityEnabled: true,
  groupTypes: [],
  createdDateTime: group.created_at,
})

export function servicePrincipalView(principal: Principal): Record<string, unknown> {
  return {
    '@odata.type': '#microsoft.graph.servicePrincipal',
    id: principal.objectId,
    appId: principal.appId,
    displayName: principal.displayName,
    appDisplayName: principal.displayName,
    servicePrincipalNames: [principal.appId],
    servicePrincipalType: principal.resourceId === undefined ? 'Application' : 'ManagedIdentity',
    alternativeNames: principal.resourceId === undefined ? [] : ['isExplicit=False', principal.resourceId],
    accountEnabled: true,
  }
}
