/**
 * What a guest finds at http://169.254.169.254 and in its vTPM, beside Azure's own shapes (docs/guides/guests.md).
 *
 * The attestation key's certificate is in NV 0x01C101D0, DER, padded with zeros; the endorsement key's in 0x01C00002. Both
 * are issued by the installation's authority, with exactly one extended key usage each, and a subject whose CN is the VM's id.
 * On a joined host, an OU names the placement, and they last for hours.
 */

/** Extended key usage of an attestation key's certificate: tcg-kp-AIKCertificate (TCG EK Credential Profile, section 3). */
export const attestationKeyUsage = '2.23.133.8.3'

/** Extended key usage of an endorsement key's certificate: tcg-kp-EKCertificate. */
export const endorsementKeyUsage = '2.23.133.8.1'

/** Organizational unit in the certificates of a vTPM's keys: the epoch at which a joined host carries the VM. */
export const placementUnit = (epoch: number): string => `${placementPrefix}${epoch}`
export const placementPrefix = 'Placement '

/** Common name of the certificate that signs attested documents; its extended key usage is emailProtection (S/MIME). */
export const metadataSignerName = 'metadata.strongroom.internal'

export type {
  FederatedCredential,
  FederatedCredentialName,
  FederatedCredentialRequest,
  FederatedCredentials,
  ManagedIdentity,
  ManagedIdentityAssignments,
  ManagedIdentityChoice,
  ManagedIdentityRequest,
  ManagedIdentityToken,
  ManagedIdentityTokenRequest,
  MemberGroups,
} from './wires/identity/managed-identities.ts'
