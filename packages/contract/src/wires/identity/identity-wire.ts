import { identityAudience } from '../../names/names.ts'
import type { Wire } from '../elements/wire.ts'
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

/** The identity service's additions to Azure's sign-in, for the platform's own principals. */
export const identityWire: Wire = {
  name: 'identity',
  version: '1',
  title: 'Managed identities and groups',
  about:
    'In addition to Azure’s sign-in, only for the platform’s own principals: the control plane creates and deletes ' +
    'the identities of resources, and the host that carries a VM fetches its tokens. The control plane fetches ' +
    'tokens for disk-encryption sets and user-assigned identities, to check their keys. Tokens are for ' +
    `${identityAudience}.`,
  server: identityAudience,
  security: 'bearer',
  owns: /^\w+ \/:tenant\/(managedIdentities|memberGroups)/,
  operations: [
    {
      method: 'PUT',
      path: identities,
      summary: 'The identity of a resource, created if it has none; idempotent',
      body: managedIdentityRequest,
      status: 200,
      answer: managedIdentity,
    },
    {
      method: 'DELETE',
      path: identities,
      summary: 'Deletes it permanently; idempotent',
      body: managedIdentityRequest,
      status: 204,
    },
    {
      method: 'PUT',
      path: `${identities}/assignments`,
      summary: 'Sets the user-assigned identities of a resource; idempotent',
      body: managedIdentityAssignments,
      status: 204,
    },
    {
      method: 'GET',
      path: `${identities}/federatedCredentials`,
      summary: 'Federated credentials of a user-assigned identity',
      query: { resourceId: { schema: { type: 'string' }, required: true } },
      status: 200,
      answer: federatedCredentials,
      errors: ['ManagedIdentityNotFound'],
    },
    {
      method: 'PUT',
      path: `${identities}/federatedCredentials`,
      summary: 'Creates or changes one of them; idempotent',
      body: federatedCredentialRequest,
      status: 200,
      answer: federatedCredential,
      errors: ['ManagedIdentityNotFound', 'Request_MultipleObjectsWithSameKeyValue', 'TooManyCredentials'],
    },
    {
      method: 'DELETE',
      path: `${identities}/federatedCredentials`,
      summary: 'Deletes one; idempotent',
      body: federatedCredentialName,
      status: 204,
    },
    {
      method: 'POST',
      path: `${identities}/token`,
      summary: 'A token for a resource’s identity',
      body: managedIdentityTokenRequest,
      status: 200,
      answer: managedIdentityToken,
      errors: ['AuthorizationFailed'],
    },
    {
      method: 'GET',
      path: '/:tenant/memberGroups/:objectId',
      summary: 'An object’s type, and the groups that contain it',
      status: 200,
      answer: memberGroups,
    },
  ],
}
