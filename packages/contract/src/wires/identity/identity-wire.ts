import { identityAudience } from '../../guest-metadata.ts'
import type { Wire } from '../wire.ts'
import {
  federatedCredential,
  federatedCredentialName,
  federatedCredentialRequest,
  federatedCredentials,
  managedIdentity,
  managedIdentityAssignments,
  managedIdentityRequest,
  managedIdentityToken,
  managedIdentityTokenRequest,
  memberGroups,
} from './managed-identities.ts'

const identities = '/:tenant/managedIdentities'

/** What the identity service has beside Azure's sign-in, for the platform's own principals. */
export const identityWire: Wire = {
  name: 'identity',
  version: '1',
  title: 'Managed identities and groups',
  about: `Beside Azure’s sign-in, for the platform’s own principals alone: the control plane makes and removes the identities of resources, and the host that carries a VM fetches its tokens. The control plane fetches tokens for disk-encryption sets and user-assigned identities, to judge their keys. Tokens are for ${identityAudience}.`,
  server: identityAudience,
  security: 'bearer',
  owns: /^\w+ \/:tenant\/(managedIdentities|memberGroups)/,
  // prettier-ignore
  operations: [
    { method: 'PUT', path: identities, summary: 'The identity of a resource, made where it has none; idempotent', body: managedIdentityRequest, status: 200, answer: managedIdentity },
    { method: 'DELETE', path: identities, summary: 'Removes it for good; idempotent', body: managedIdentityRequest, status: 204 },
    { method: 'PUT', path: `${identities}/assignments`, summary: 'These user-assigned identities of a resource and no others; idempotent', body: managedIdentityAssignments, status: 204 },
    { method: 'GET', path: `${identities}/federatedCredentials`, summary: 'Whose tokens sign in as a user-assigned identity', query: { resourceId: { schema: { type: 'string' }, required: true } }, status: 200, answer: federatedCredentials, errors: ['ManagedIdentityNotFound'] },
    { method: 'PUT', path: `${identities}/federatedCredentials`, summary: 'One of them, made or changed; idempotent', body: federatedCredentialRequest, status: 200, answer: federatedCredential, errors: ['ManagedIdentityNotFound', 'Request_MultipleObjectsWithSameKeyValue', 'TooManyCredentials'] },
    { method: 'DELETE', path: `${identities}/federatedCredentials`, summary: 'Removes one; idempotent', body: federatedCredentialName, status: 204 },
    { method: 'POST', path: `${identities}/token`, summary: 'A token of an identity of a resource', body: managedIdentityTokenRequest, status: 200, answer: managedIdentityToken, errors: ['AuthorizationFailed'] },
    { method: 'GET', path: '/:tenant/memberGroups/:objectId', summary: 'What an object is, and the groups that it is in', status: 200, answer: memberGroups },
  ],
}
