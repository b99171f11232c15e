import { domain } from './names.ts'

/**
 * Wire on which the resource manager tells the attestation service which providers there are, `https://attestation.strongroom.internal`.
 * Bearer token of the control plane's principal with audience `attestationManagementAudience`; everybody else is refused.
 *
 * PUT    /providers/{regionCode}/{name}              AttestationProviderDefinition → 201 or 200 AttestationProviderRecord
 *                                                    idempotent for one resource id; 409 NameNotAvailable where the name is another's
 * GET    /providers/{regionCode}/{name}              → 200 AttestationProviderRecord; 404 ProviderNotFound
 * DELETE /providers/{regionCode}/{name}              → 204: with it go its policies, certificates and signing keys
 * POST   /providers/{regionCode}/{name}/move         { from, to } (resource ids) → 200 AttestationProviderRecord, idempotent; 409 where it is neither's
 * POST   /providers/{regionCode}/{name}/rotateKey    → 200 { kid }: signs from now on; earlier keys stay in /certs while their tokens live
 *
 * Each with `?api-version=2025-06-01`. Names are compared without case and kept in lower case.
 */
export const attestationManagementHost: string = `attestation.${domain}`
export const attestationManagementAudience: string = `https://${attestationManagementHost}`
export const attestationManagementApiVersion = '2025-06-01'

/** `https://{name}.{region code}.attest.strongroom.internal` is a provider's own origin, and its tokens' issuer. */
export const attestationProviderHost = (name: string, regionCode: string): string =>
  `${name.toLowerCase()}.${regionCode}.attest.${domain}`

export type AttestationTrustModel = 'AAD' | 'Isolated'

/** A certificate that may sign policies: RFC 7517 with `x5c`, standard base64 of DER, leaf first. */
export interface PolicySigningCertificate {
  kty: string
  x5c: string[]
}

export interface AttestationProviderDefinition {
  resourceId: string
  /** Isolated where at least one certificate is given; what it is never changes. */
  policySigningCertificates: PolicySigningCertificate[]
}

export interface AttestationProviderRecord {
  name: string
  regionCode: string
  resourceId: string
  trustModel: AttestationTrustModel
  attestUri: string
  /** ISO time. */
  createdAt: string
}

/**
 * Whether a principal may do something at a scope, `POST https://management.strongroom.internal{scope}/providers/Strongroom.Authorization/
 * checkAccess` with `AccessQuestion` → `{ allowed }`. Asked by the platform's own attestation principal, and by nobody else: a provider's
 * policies are governed by role assignments, which the resource manager keeps.
 */
export interface AccessQuestion {
  principalId: string
  /** For example Microsoft.Attestation/attestationProviders/attestation/write. */
  action: string
}
