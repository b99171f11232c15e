import {
  attestationAudience,
  domain,
  type DecidedClaims,
  type DecisionList,
  type DecisionView,
} from '@strongroom/contract'
import { askService } from '../wire/data-plane.ts'

export type Decided = DecisionView & DecidedClaims

const version = 'api-version=2025-06-01'

/** Whether a host belongs to an attestation provider of this installation: tokens are sent nowhere else. */
export const isProviderHost = (host: string): boolean =>
  /^[a-z0-9-]+\.[a-z0-9]+\.attest\./.test(host) && host.endsWith(`.attest.${domain}`)

/** A provider's newest decisions with the claims that their policies evaluated. @param top up to 100 @throws WireError */
export async function readDecisions(host: string, top: number, signal?: AbortSignal): Promise<Decided[]> {
  const url = `https://${host}/decisions?${version}&$top=${top}&$expand=claims`
  const list = await askService<DecisionList>({ url, audience: attestationAudience, ...(signal && { signal }) })
  return list.value
}
