import {
  anyText,
  count,
  list,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  whole,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { guid } from '../vault/vault.ts'

const resourceId: Shape<string> = text(/^\/subscriptions\/[\x21-\x7e]{1,400}$/, 'the ARM id of a resource')
const identifier = text(/^[\x21-\x7e]{1,512}$/, 'a string of 1 to 512 characters without spaces')

/** `resourceId`: ARM id of the resource that owns the system-assigned identity. */
export const managedIdentityRequest = named(
  'ManagedIdentityRequest',
  object({ resourceId, displayName: optional(upTo(256)) }),
)
export type ManagedIdentityRequest = TypeOf<typeof managedIdentityRequest>

export const managedIdentity = named(
  'ManagedIdentity',
  object({ principalId: anyText, clientId: anyText, tenantId: anyText }),
)
export type ManagedIdentity = TypeOf<typeof managedIdentity>

/** Azure's limit on the identities of a resource is far lower. */
const mostIdentities = 1000
export const managedIdentityAssignments = named(
  'ManagedIdentityAssignments',
  object({ resourceId, clientIds: list(guid, { most: mostIdentities }) }),
)
/** A resource's user-assigned identities. Deleted ones are skipped. */
export type ManagedIdentityAssignments = TypeOf<typeof managedIdentityAssignments>

const choice = {
  clientId: optional(identifier),
  objectId: optional(identifier),
  /** ARM id of a user-assigned identity. */
  identityId: optional(identifier),
}
const managedIdentityChoice = object(choice)
/** Which of a resource's identities: all given values must match. Default: its own, else its only one. */
export type ManagedIdentityChoice = TypeOf<typeof managedIdentityChoice>

const federated = {
  name: text(
    /^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$/,
    '3 to 120 letters, digits, _ and -, beginning with a letter or digit',
  ),
  issuer: text(/^https:\/\/[\x21-\x7e]{1,592}$/, 'an https address of at most 600 characters'),
  subject: text(/^[\x20-\x7e]{1,600}$/, 'a string of 1 to 600 printable ASCII characters'),
  audience: text(/^[\x20-\x7e]{1,600}$/, 'a string of 1 to 600 printable ASCII characters'),
}
export const federatedCredential = named('FederatedCredential', object(federated))
/** Federated credentials of a user-assigned identity: an issuer's tokens with a subject and an audience. */
export type FederatedCredential = TypeOf<typeof federatedCredential>
export const federatedCredentials = named('FederatedCredentials', object({ value: list(federatedCredential) }))
export type FederatedCredentials = TypeOf<typeof federatedCredentials>
export const federatedCredentialRequest = named('FederatedCredentialRequest', object({ resourceId, ...federated }))
export type FederatedCredentialRequest = TypeOf<typeof federatedCredentialRequest>
export const federatedCredentialName = named('FederatedCredentialName', object({ resourceId, name: federated.name }))
export type FederatedCredentialName = TypeOf<typeof federatedCredentialName>

const principalId = text(/^[A-Za-z0-9._-]{1,64}$/, 'the id of a principal or an application')
export const managedIdentityTokenRequest = named(
  'ManagedIdentityTokenRequest',
  object({
    ...choice,
    resourceId,
    /** The service that the token is for, without `/.default`. */
    audience: identifier,
    /** From the control plane only: the caller on whose behalf it acts as the identity, for the log of the token's service. */
    askedBy: optional(
      whole(object({ objectId: principalId, appId: principalId }), 'the caller’s object id and application id'),
    ),
  }),
)
export type ManagedIdentityTokenRequest = TypeOf<typeof managedIdentityTokenRequest>

export const managedIdentityToken = named(
  'ManagedIdentityToken',
  object({
    accessToken: anyText,
    clientId: anyText,
    objectId: anyText,
    /** Seconds. */
    expiresIn: count,
    /** Seconds since 1970. */
    expiresOn: count,
  }),
)
export type ManagedIdentityToken = TypeOf<typeof managedIdentityToken>

export const memberGroups = named(
  'MemberGroups',
  object({
    /** Absent if the directory does not know the object. */
    principalType: optional(oneOf('ServicePrincipal', 'User', 'Group')),
    /** Object ids of all its groups, also through other groups. */
    groups: list(anyText),
  }),
)
export type MemberGroups = TypeOf<typeof memberGroups>
