import { azureTokenAlgorithms, type TokenAlgorithm } from './algorithms.ts'

/** Attestation services beside Azure's, by the issuer of their tokens, and what they sign with. */
const services: readonly { issuer: RegExp; algorithms: readonly TokenAlgorithm[] }[] = [
  // NVIDIA Remote Attestation Service: detached EAT bundles (RFC 9711).
  { issuer: /^https:\/\/nras\.attestation\.nvidia\.com$/, algorithms: ['ES384'] },
  // Intel Trust Authority; RS256 for those who ask for it.
  { issuer: /^https:\/\/portal\.(eu\.)?trustauthority\.intel\.com$/, algorithms: ['PS384', 'RS256'] },
]

/**
 * What a token of this issuer may be signed by. The issuer is the token's own word: it only chooses among strong algorithms, and
 * the key, which the verifier got by himself, has to be one for the algorithm.
 */
export function algorithmsOfIssuer(issuer: unknown): readonly TokenAlgorithm[] {
  const service = typeof issuer === 'string' ? services.find((each) => each.issuer.test(issuer)) : undefined
  return service?.algorithms ?? azureTokenAlgorithms
}
