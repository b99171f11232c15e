import { anyObject, anyText, list, named, object, oneOf, text, type Shape, type TypeOf } from '../../shape/index.ts'

const resourceId = text(
  /^\/subscriptions\/[^/]+\/[rR]esource[gG]roups\/[^/]+\/providers\/[^\0]+$/,
  'the id of the resource',
)

/** A certificate that may sign policies: RFC 7517 with `x5c`, standard base64 of DER, leaf first. */
export interface PolicySigningCertificate {
  kty: string
  x5c: string[]
}
/** Its parser reports faults; a key may have further members (RFC 7517). */
const policySigningCertificate = anyObject as Shape<unknown> as Shape<PolicySigningCertificate>

export const attestationProviderDefinition = named(
  'AttestationProviderDefinition',
  object({
    resourceId,
    /** Isolated if at least one is given; the trust model never changes. */
    policySigningCertificates: list(policySigningCertificate, { most: 20 }),
  }),
)
export type AttestationProviderDefinition = TypeOf<typeof attestationProviderDefinition>

export const attestationProviderMove = named('AttestationProviderMove', object({ from: resourceId, to: resourceId }))

const trustModel = oneOf('AAD', 'Isolated')
export type AttestationTrustModel = TypeOf<typeof trustModel>

export const attestationProviderRecord = named(
  'AttestationProviderRecord',
  object({
    name: anyText,
    regionCode: anyText,
    resourceId: anyText,
    trustModel,
    attestUri: anyText,
    createdAt: anyText,
  }),
)
export type AttestationProviderRecord = TypeOf<typeof attestationProviderRecord>
