import { domain } from './names.ts'

/** Names of the wire on which the resource manager tells the attestation service of providers; `attestationManagementWire` states it. */
export const attestationManagementHost: string = `attestation.${domain}`
export const attestationManagementAudience: string = `https://${attestationManagementHost}`
export const attestationManagementApiVersion = '2025-06-01'

/** `https://{name}.{region code}.attest.strongroom.internal` is a provider's own origin, and its tokens' issuer. */
export const attestationProviderHost = (name: string, regionCode: string): string =>
  `${name.toLowerCase()}.${regionCode}.attest.${domain}`

export type {
  AttestationProviderDefinition,
  AttestationProviderRecord,
  AttestationTrustModel,
  PolicySigningCertificate,
} from './wires/attestation/providers.ts'

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
