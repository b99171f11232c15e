import type { AttestationResponse } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance } from 'fastify'
import type { Attester } from '../attest.ts'
import type { AttestedEvidence } from '../evidence/attested.ts'
import { bytesOf, nonceOf, objectBody } from '../evidence/request.ts'
import type { SnpVerifier } from '../evidence/snp.ts'
import type { TdxVerifier } from '../evidence/tdx.ts'
import { invalidParameter } from '../errors.ts'
import type { OfferedType, Providers } from '../providers/providers.ts'
import { requireApiVersion } from './api-version.ts'
import { providerOf } from './provider-of.ts'

/** `POST /attest/{type}`: anonymous, as in Azure. */
export function attestRoutes(
  app: FastifyInstance,
  o: { providers: Providers; attester: Attester; snp: SnpVerifier; tdx: TdxVerifier; onRefused: OnRefused },
): void {
  const verifiers = { SevSnpVm: o.snp, TdxVm: o.tdx }

  for (const type of ['SevSnpVm', 'TdxVm'] as const) {
    app.post(`/attest/${type}`, async (request): Promise<AttestationResponse> => {
      requireApiVersion(request)
      const provider = providerOf(request, o.providers)
      const body = objectBody(request.body)
      const nonce = nonceOf(body['nonce'])
      const draftPolicy = draftOf(body, type)
      let evidence: AttestedEvidence
      try {
        evidence = await verifiers[type].verify(body)
      } catch (error) {
        await o.onRefused({ provider: provider.host, type, body, error })
        throw error
      }
      const token = await o.attester.attest({
        provider,
        evidence,
        ...(nonce === undefined ? {} : { nonce }),
        ...(draftPolicy === undefined ? {} : { draftPolicy }),
      })
      return { token }
    })
  }

  for (const type of ['AzureGuest', 'Tpm', 'SgxEnclave', 'OpenEnclave']) {
    app.post(`/attest/${type}`, (request) => {
      requireApiVersion(request)
      providerOf(request, o.providers)
      throw new ServiceError({
        code: 'AttestationTypeNotOffered',
        status: 501,
        message: `This service does not attest ${type} yet.`,
        target: 'type',
        expected: 'SevSnpVm or TdxVm',
        found: type,
        remedy: 'Send the hardware report to /attest/SevSnpVm or the quote to /attest/TdxVm.',
      })
    })
  }
}

/** Told of evidence that was refused, before the refusal is answered. */
export type OnRefused = (o: {
  provider: string
  type: OfferedType
  body: Record<string, unknown>
  error: unknown
}) => Promise<void>

function draftOf(body: Record<string, unknown>, type: OfferedType): string | undefined {
  const draft = body['draftPolicyForAttestation']
  if (draft === undefined || draft === null) return undefined
  if (type === 'TdxVm')
    throw invalidParameter({
      target: 'draftPolicyForAttestation',
      message: 'Drafts are not tried on TdxVm.',
      expected: 'no draftPolicyForAttestation',
    })
  const bytes = bytesOf(draft, 'draftPolicyForAttestation')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw invalidParameter({
      target: 'draftPolicyForAttestation',
      message: 'The draft policy is not UTF-8.',
      expected: 'UTF-8 text',
      cause,
    })
  }
}
