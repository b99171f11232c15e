import { createHash } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import type { AttestationType } from '@strongroom/contract'
import type { OnRefused } from './attest-routes.ts'
import type { Decisions } from '../store/decisions.ts'

/** Member of each request that contains the evidence. */
const evidenceMember: Record<AttestationType, string> = {
  SevSnpVm: 'report',
  TdxVm: 'quote',
  AzureGuest: 'attestationInfo',
  Tpm: 'data',
}

/** Larger requests are recorded without their content: anyone can send them anonymously. */
const keptRequest = 256 * 1024

/** Records refused evidence as it was sent: it may be no evidence at all. */
export function refusalRecorder(decisions: Decisions): OnRefused {
  return async ({ provider, type, body, caller, error }) => {
    if (!(error instanceof ServiceError)) return
    const sent = body[evidenceMember[type]] ?? body['AttestationInfo']
    const { code, message, target, expected, found } = error
    const reason = error.details?.[0]?.code ?? code
    const request = JSON.stringify(body)
    await decisions.record(
      {
        provider,
        type,
        evidence_digest: createHash('sha256')
          .update(typeof sent === 'string' ? sent : '')
          .digest('hex'),
        policy_hash: '',
        outcome: 'Refused',
        code: reason,
        message,
        token_id: null,
        simulated: 0,
        caller,
        findings: JSON.stringify({ failedChecks: [{ code: reason, target, expected, found }] }),
      },
      request.length > keptRequest ? undefined : { content: {}, evidence: { own: { request: body }, shared: {} } },
    )
  }
}
