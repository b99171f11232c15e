import type { AskedBy } from './on-behalf-of.ts'

/**
 * What a guest finds at http://169.254.169.254 and in its vTPM, beside Azure's own shapes (docs/metadata.md).
 *
 * The attestation key's certificate is in NV 0x01C101D0, DER, padded with zeros; the endorsement key's in 0x01C00002. Both
 * are issued by the installation's authority, with exactly one extended key usage each, and a subject whose CN is the VM's id.
 */

/** Extended key usage of an attestation key's certificate: tcg-kp-AIKCertificate (TCG EK Credential Profile, section 3). */
export const attestationKeyUsage = '2.23.133.8.3'

/** Extended key usage of an endorsement key's certificate: tcg-kp-EKCertificate. */
export const endorsementKeyUsage = '2.23.133.8.1'

/** Common name of the certificate that signs attested documents; its extended key usage is emailProtection (S/MIME). */
export const metadataSignerName = 'metadata.strongroom.internal'

/**
 * Wire of the identity service for the platform's own principals, at https://login.strongroom.internal. Bearer token with
 * audience `identityAudience`.
 *
 * PUT    /{tenant}/managedIdentities         ManagedIdentityRequest → ManagedIdentity             control plane; idempotent
 * DELETE /{tenant}/managedIdentities         ManagedIdentityRequest → 204                         control plane; idempotent
 * PUT    /{tenant}/managedIdentities/assignments  ManagedIdentityAssignments → 204                control plane; these and no others
 * POST   /{tenant}/managedIdentities/token   ManagedIdentityTokenRequest → ManagedIdentityToken   orchestrator (the host); control plane
 *                                            for disk-encryption sets and user-assigned identities, to judge their keys
 * GET    /{tenant}/memberGroups/{objectId}   → MemberGroups                                       control plane; none of an unknown object
 */
export const identityAudience = 'https://login.strongroom.internal'

export interface MemberGroups {
  /** Absent where the directory knows no such object. */
  principalType?: 'ServicePrincipal' | 'User' | 'Group'
  /** Object ids of every group that it is in, also through other groups. */
  groups: string[]
}

export interface ManagedIdentityRequest {
  /** ARM id of the resource whose system-assigned identity it is. */
  resourceId: string
  displayName?: string
}

export interface ManagedIdentity {
  principalId: string
  clientId: string
  tenantId: string
}

/** The user-assigned identities of a resource. Those that are gone are passed over. */
export interface ManagedIdentityAssignments {
  resourceId: string
  clientIds: string[]
}

/** Which identity of a resource, where it has several: all that is given has to fit. Nothing: its own, else the only one. */
export interface ManagedIdentityChoice {
  clientId?: string
  objectId?: string
  /** ARM id of a user-assigned identity. */
  identityId?: string
}

export interface ManagedIdentityTokenRequest extends ManagedIdentityChoice {
  resourceId: string
  /** Identifier of the service that the token is for, without `/.default`. */
  audience: string
  /** From the control plane alone: who asked it to act as the identity, for the log of the service that the token is for. */
  askedBy?: AskedBy
}

export interface ManagedIdentityToken {
  accessToken: string
  clientId: string
  objectId: string
  /** Seconds. */
  expiresIn: number
  /** Seconds since 1970. */
  expiresOn: number
}
