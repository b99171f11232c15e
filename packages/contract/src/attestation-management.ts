import { domain } from './names/names.ts'

/** The wire on which the resource manager informs the attestation service of providers; stated by `attestationManagementWire`. */
export const attestationManagementApiVersion = '2025-06-01'

/** `https://{name}.{region code}.attest.strongroom.internal` is a provider's origin, and its tokens' issuer. */
export const attestationProviderHost = (name: string, regionCode: string): string =>
  `${name.toLowerCase()}.${regionCode}.attest.${domain}`

export type {
  AttestationProviderDefinition,
  AttestationProviderRecord,
  AttestationTrustModel,
  PolicySigningCertificate,
} from './wires/attestation/providers.ts'
export type { AccessQuestion } from './wires/manager/access.ts'
