import type { BootEvidence } from '@strongroom/contract'
import { ServiceError, type WireClient } from '@strongroom/platform'
import type { HardwareReport } from './silicon.ts'

const apiVersion = '2022-08-01'

/**
 * Has the provider verify the hardware's report and the claims it binds. Anonymous, as on Azure: the evidence speaks.
 * @throws ServiceError AttestationRefused with the provider's code and words; PeerUnreachable
 */
export async function attest(o: {
  wire: WireClient
  provider: string
  report: HardwareReport
  claims: Uint8Array
}): Promise<BootEvidence['attestation']> {
  const { path, body } = await o.report.request()
  const runtimeData = { data: Buffer.from(o.claims).toString('base64url'), dataType: 'JSON' }
  try {
    const url = `${o.provider}${path}?api-version=${apiVersion}`
    const answer = await o.wire.request<{ token: string }>({ method: 'POST', url, body: { ...body, runtimeData } })
    const { body: jwks } = await o.wire.request<BootEvidence['attestation']['jwks']>({
      method: 'GET',
      url: `${o.provider}/certs`,
    })
    return { issuer: issuerOf(answer.body.token), token: answer.body.token, jwks }
  } catch (error) {
    throw refused(error, o.provider)
  }
}

function issuerOf(token: string): string {
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { iss?: unknown }
  if (typeof payload.iss !== 'string') throw new TypeError('the token names no issuer')
  return payload.iss
}

function refused(error: unknown, provider: string): unknown {
  if (!(error instanceof ServiceError) || error.status >= 500) return error
  return new ServiceError({
    code: 'AttestationRefused',
    status: 409,
    message: `The attestation provider refused this VM's evidence: ${error.message}`,
    target: provider,
    details: [error.toDetail()],
    ...(error.expected !== undefined && { expected: error.expected }),
    found: error.found ?? error.code,
    remedy:
      error.remedy ??
      'Correct the policy of the attestation provider, or what it found in the evidence, then start the VM again.',
    cause: error,
  })
}
