import type { AttestationResponse, AttestationType } from '@strongroom/contract'
import { toBase64Url } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Attester, TokenForm } from '../tokens/attester.ts'
import { bytesOf, callBody, nonceOf } from '../core/request.ts'
import type { SnpVerifier } from '../evidence/snp.ts'
import type { TdxVerifier } from '../evidence/tdx.ts'
import type { GuestVerifier } from '../guest/guest-verifier.ts'
import { sealToken } from '../guest/sealed-token.ts'
import { invalidParameter } from '../core/errors.ts'
import type { Challenges } from '../tpm/challenges.ts'
import { readTpmMessage } from '../tpm/tpm-request.ts'
import type { TpmVerifier } from '../tpm/tpm-verifier.ts'
import type { Providers } from '../providers/providers.ts'
import { earMediaType, earProfile, wantsEar } from '../tokens/ear.ts'
import { requireApiVersion } from './api-version.ts'
import { addressOf } from './caller-limit.ts'
import { providerOf } from './provider-of.ts'
import { textOf } from '../core/text.ts'

/** `POST /attest/{type}`: anonymous, as in Azure. */
export function attestRoutes(
  app: FastifyInstance,
  o: {
    providers: Providers
    attester: Attester
    snp: SnpVerifier
    tdx: TdxVerifier
    guest: GuestVerifier
    tpm: TpmVerifier
    challenges: Challenges
    onRefused: OnRefused
    /** Who is charged for a request; undefined for the platform. */
    counted: (request: FastifyRequest) => string | undefined
  },
): void {
  const verifiers = { SevSnpVm: o.snp, TdxVm: o.tdx }

  for (const type of ['SevSnpVm', 'TdxVm'] as const) {
    app.post(`/attest/${type}`, async (request, reply): Promise<AttestationResponse | string> => {
      requireApiVersion(request)
      const provider = await providerOf(request, o.providers)
      const body = callBody(request.body)
      const nonce = nonceOf(body['nonce'])
      const draftPolicy = draftOf(body, type)
      const refused = onRefusal({ provider: provider.host, type, body, caller: addressOf(request) }, o.onRefused)
      const evidence = await verifiers[type]
        .verify(body, { providerHost: provider.host, caller: o.counted(request) })
        .catch(refused)
      const token = await o.attester.attest({
        provider,
        evidence,
        caller: addressOf(request),
        form: formOf(request),
        ...(nonce === undefined ? {} : { nonce }),
        ...(draftPolicy === undefined ? {} : { draftPolicy }),
      })
      if (formOf(request) === 'maa') return { token }
      // The media type includes the profile (RFC 9782, section 3).
      reply.type(`${earMediaType}; eat_profile="${earProfile}"`)
      return token
    })
  }

  app.post('/attest/AzureGuest', { bodyLimit: guestBodyLimit }, async (request): Promise<AttestationResponse> => {
    requireApiVersion(request)
    const provider = await providerOf(request, o.providers)
    const body = callBody(request.body)
    const refused = onRefusal(
      { provider: provider.host, type: 'AzureGuest', body, caller: addressOf(request) },
      o.onRefused,
    )
    const { evidence, encryptionKey } = await o.guest.verify(body, { caller: o.counted(request) }).catch(refused)
    const token = await o.attester.attest({ provider, evidence, caller: addressOf(request), form: formOf(request) })
    return { token: sealToken(token, encryptionKey) }
  })

  app.post('/attest/Tpm', { bodyLimit: guestBodyLimit }, async (request): Promise<{ data: string }> => {
    requireApiVersion(request)
    const provider = await providerOf(request, o.providers)
    const body = callBody(request.body)
    const refused = onRefusal({ provider: provider.host, type: 'Tpm', body, caller: addressOf(request) }, o.onRefused)
    const message = await readTpmMessage(body).catch(refused)
    if (message.kind === 'init') {
      const { challenge, context } = await o.challenges.issue(provider)
      return tpmAnswer(message, { challenge: toBase64Url(challenge), service_context: toBase64Url(context) })
    }
    const evidence = await o.tpm.verify(provider, message).catch(refused)
    return tpmAnswer(message, {
      report: await o.attester.attest({ provider, evidence, caller: addressOf(request), form: formOf(request) }),
    })
  })

  for (const type of ['SgxEnclave', 'OpenEnclave']) {
    app.post(`/attest/${type}`, async (request) => {
      requireApiVersion(request)
      await providerOf(request, o.providers)
      throw new ServiceError({
        code: 'AttestationTypeNotOffered',
        status: 501,
        message: `Enclaves are not supported: this service does not attest ${type}.`,
        target: 'type',
        expected: 'SevSnpVm, TdxVm, AzureGuest or Tpm',
        found: type,
        remedy:
          'Attest a confidential VM: its report at /attest/SevSnpVm or TdxVm, or from inside the guest at /attest/AzureGuest.',
      })
    })
  }
}

function formOf(request: FastifyRequest): TokenForm {
  return wantsEar(request.headers.accept) ? 'ear' : 'maa'
}

function tpmAnswer({ wrapped }: { wrapped: boolean }, answer: Record<string, string>): { data: string } {
  return { data: Buffer.from(JSON.stringify(wrapped ? { payload: answer } : answer)).toString('base64url') }
}

/** An event log in base64 in base64: Linux exposes up to some hundred KiB. */
const guestBodyLimit = 4 * 1024 * 1024

function onRefusal(o: Omit<Refusal, 'error'>, told: OnRefused): (error: unknown) => Promise<never> {
  return async (error) => {
    await told({ ...o, error })
    throw error
  }
}

interface Refusal {
  provider: string
  type: AttestationType
  body: Record<string, unknown>
  /** The caller's address. */
  caller: string
  error: unknown
}

/** Called for refused evidence, before the refusal is answered. */
export type OnRefused = (refusal: Refusal) => Promise<void>

function draftOf(body: Record<string, unknown>, type: AttestationType): string | undefined {
  const draft = body['draftPolicyForAttestation']
  if (draft === undefined || draft === null) return undefined
  if (type === 'TdxVm')
    throw invalidParameter({
      target: 'draftPolicyForAttestation',
      message: 'Draft policies are not evaluated on TdxVm.',
      expected: 'no draftPolicyForAttestation',
    })
  const bytes = bytesOf(draft, 'draftPolicyForAttestation')
  try {
    return textOf(bytes)
  } catch (cause) {
    throw invalidParameter({
      target: 'draftPolicyForAttestation',
      message: 'The draft policy is not UTF-8.',
      expected: 'UTF-8 text',
      cause,
    })
  }
}
