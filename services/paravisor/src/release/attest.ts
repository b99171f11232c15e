import { attestationAudience, domain, verifiersFile, type BootEvidence } from '@strongroom/contract'
import {
  findVerifier,
  ServiceError,
  type AttestationVerifier,
  type TokenSource,
  type WireClient,
} from '@strongroom/platform'
import type { HardwareReport } from './silicon.ts'

const apiVersion = '2022-08-01'

/**
 * Has the provider verify the hardware's report and the claims it binds. The evidence is authoritative, as on Azure;
 * the token only identifies the platform, which is not rate-limited like guests. A provider of another origin gets no
 * token. An answer in another issuer's name is refused: its token would open nothing.
 * @throws ServiceError AttestationRefused with the provider's code and message; AttestationProviderUnreachable,
 *   AttestationProviderNotAllowed, AttestationTokenForeign
 */
export async function attest(o: {
  wire: WireClient
  tokens: TokenSource
  /** Issuer; its attest calls have the same origin. */
  provider: string
  verifiers: readonly AttestationVerifier[] | undefined
  report: HardwareReport
  claims: Uint8Array
}): Promise<BootEvidence['attestation']> {
  const verifier = findVerifier(o.verifiers, o.provider)
  if (verifier === undefined && !o.provider.endsWith(`.attest.${domain}`)) throw notAllowed(o.provider)
  const { path, body } = await o.report.request({ withCollateral: verifier?.collateral === true })
  const runtimeData = { data: Buffer.from(o.claims).toString('base64url'), dataType: 'JSON' }
  try {
    const url = `${o.provider}${path}?api-version=${apiVersion}`
    const token = verifier === undefined ? await o.tokens.token('orchestrator', attestationAudience) : undefined
    const answer = await o.wire.request<{ token: string }>({
      method: 'POST',
      url,
      body: { ...body, runtimeData },
      ...(token !== undefined && { token }),
    })
    const { body: jwks } = await o.wire.request<BootEvidence['attestation']['jwks']>({
      method: 'GET',
      url: verifier?.keys ?? `${o.provider}/certs`,
    })
    const issuer = issuerOf(answer.body.token)
    if (issuer !== o.provider) throw foreign(o.provider, issuer)
    return { issuer, token: answer.body.token, jwks }
  } catch (error) {
    throw refused(error, o.provider)
  }
}

function issuerOf(token: unknown): string {
  try {
    const payload = Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString('utf8')
    const { iss } = JSON.parse(payload) as { iss?: unknown }
    return typeof iss === 'string' ? iss : 'nobody'
  } catch {
    return 'nobody'
  }
}

function notAllowed(provider: string): ServiceError {
  return new ServiceError({
    code: 'AttestationProviderNotAllowed',
    message: `The attestation provider ${provider} does not belong to this installation, and its operator has not named it.`,
    target: provider,
    expected: `a provider of this installation, or one of ${verifiersFile}`,
    found: provider,
    remedy: `Ask the operator to add it to ${verifiersFile} and restart the server, or recreate the VM.`,
  })
}

function foreign(provider: string, issuer: string): ServiceError {
  return new ServiceError({
    code: 'AttestationTokenForeign',
    message: `The attestation provider ${provider} returned a token with another issuer.`,
    target: provider,
    expected: provider,
    found: issuer.slice(0, 200),
    remedy: 'Correct the provider’s issuer in the installation’s configuration.',
  })
}

function refused(error: unknown, provider: string): unknown {
  if (error instanceof ServiceError && ['PeerUnreachable', 'PeerTimeout'].includes(error.code)) {
    return new ServiceError({
      code: 'AttestationProviderUnreachable',
      message: `The attestation provider ${provider} does not answer, and no other provider can attest this VM: ${error.message}`,
      target: provider,
      details: [error.toDetail()],
      expected: `an answer from ${provider}`,
      found: error.code,
      remedy: 'Check that the provider can be reached, then start the VM again.',
      cause: error,
    })
  }
  if (!(error instanceof ServiceError) || error.status >= 500) return error
  return new ServiceError({
    code: 'AttestationRefused',
    message: `The attestation provider refused this VM's evidence: ${error.message}`,
    target: provider,
    details: [error.toDetail()],
    ...(error.expected !== undefined && { expected: error.expected }),
    found: error.found ?? error.code,
    remedy:
      error.remedy ??
      'Fix the attestation provider’s policy, or what it rejected in the evidence, then start the VM again.',
    cause: error,
  })
}
