import { attestationAudience, attestationTypes, type AttestationType } from '@strongroom/contract'
import { claimsOf } from '../wire/pkce.ts'
import { base64Url, textOfBase64Url } from '../wire/base64-url.ts'
import { askService } from '../wire/data-plane.ts'

export const policyTypes = attestationTypes

const address = (host: string, type: AttestationType): string =>
  `https://${host}/policies/${type}?api-version=2025-06-01`

interface PolicyInForce {
  text: string
  /** Whether somebody signed it. */
  signed: boolean
}

/** @throws WireError */
export async function readPolicy(host: string, type: AttestationType, signal: AbortSignal): Promise<PolicyInForce> {
  const { token } = await askService<{ token: string }>({
    url: address(host, type),
    audience: attestationAudience,
    signal,
  })
  const jws = String(claimsOf(token)['x-ms-policy'])
  const { AttestationPolicy } = claimsOf(jws) as { AttestationPolicy?: string }
  return { text: textOfBase64Url(AttestationPolicy ?? ''), signed: !jws.endsWith('.') }
}

/** Sends the text unsigned, as a role allows. @throws WireError if the provider accepts only signed policies */
export async function setPolicy(host: string, type: AttestationType, text: string): Promise<void> {
  const jws = `${base64Url('{"alg":"none"}')}.${base64Url(JSON.stringify({ AttestationPolicy: base64Url(text) }))}.`
  await askService({ method: 'PUT', url: address(host, type), audience: attestationAudience, body: jws })
}

/** Resets to the default policy. @throws WireError */
export async function resetPolicy(host: string, type: AttestationType): Promise<void> {
  const url = address(host, type).replace('?', ':reset?')
  await askService({ method: 'POST', url, audience: attestationAudience })
}
