import { azureTokenAlgorithms, type TokenAlgorithm } from './algorithms.ts'
import { earAlgorithms, isEar } from './ear.ts'

/** Attestation services other than Azure's, by the issuer of their tokens, with their signature algorithms. */
const services: readonly { issuer: RegExp; algorithms: readonly TokenAlgorithm[] }[] = [
  // NVIDIA Remote Attestation Service: detached EAT bundles (RFC 9711).
  { issuer: /^https:\/\/nras\.attestation\.nvidia\.com$/, algorithms: ['ES384'] },
  // Intel Trust Authority; RS256 on request.
  { issuer: /^https:\/\/portal\.(eu\.)?trustauthority\.intel\.com$/, algorithms: ['PS384', 'RS256'] },
]

/**
 * Algorithms that may sign a token with these claims. Issuer and profile come from the token: they only select among
 * strong algorithms, and the key, which the verifier obtained independently, must fit the algorithm.
 */
export function algorithmsOfToken(claims: Readonly<Record<string, unknown>> = {}): readonly TokenAlgorithm[] {
  const issuer = claims['iss']
  const service = typeof issuer === 'string' ? services.find((each) => each.issuer.test(issuer)) : undefined
  return service?.algorithms ?? (isEar(claims) ? earAlgorithms : azureTokenAlgorithms)
}
