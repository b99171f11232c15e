import { X509Certificate, type KeyObject } from 'node:crypto'
import {
  vaultAudience,
  type GuestStateGeneration,
  type KeyReleaseAnswer,
  type ReleasedKey,
  type ReleasedKeyEnvelope,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { compactVerify, decodeProtectedHeader } from 'jose'
import { unwrapReleasedKey, type TransferKey } from './transfer-key.ts'

export const generationTag = 'x-strongroom-guest-state-generation'
const apiVersion = '7.4'

export interface Release {
  key: KeyObject
  /** As answered, for the boot evidence: it holds the key wrapped to a transfer key that is gone after the boot. */
  jws: string
  /** Guest states below this generation are older copies. */
  counter: number
}

export interface KeyServiceAccess {
  wire: WireClient
  tokens: TokenSource
  /** Key identifier with version. */
  keyId: string
  /** Token of the attestation provider. */
  target: string
}

/**
 * Has the VM's key released to this boot, and checks the answer: signed under the installation's authority, about this
 * key, wrapped to the transfer key.
 * @throws ServiceError KeyReleaseRefused, ReleaseAnswerInvalid, ReleasedKeyUnreadable
 */
export async function releaseKey(o: KeyServiceAccess & { caPem: string; transferKey: TransferKey }): Promise<Release> {
  const token = await o.tokens.token('orchestrator', vaultAudience)
  const body = { target: o.target, enc: 'RSA_AES_KEY_WRAP_256' }
  const url = `${o.keyId}/release?api-version=${apiVersion}`
  const answer = await o.wire
    .request<KeyReleaseAnswer>({ method: 'POST', url, token, body })
    .catch((error: unknown) => {
      throw refused(error, o.keyId)
    })
  const jws = answer.body.value
  const released = await verifyAnswer(jws, o.caPem)
  const bundle = released.response.key
  if (bundle.key.kid !== o.keyId) throw invalid('it is about another key', o.keyId, bundle.key.kid)
  const envelope = JSON.parse(
    Buffer.from(bundle.key.key_hsm ?? '', 'base64url').toString('utf8'),
  ) as ReleasedKeyEnvelope
  if (envelope.header.kid !== 'HCLTransferKey')
    throw invalid('it is wrapped to another key', 'HCLTransferKey', envelope.header.kid)
  const counter = Number(bundle.tags[generationTag] ?? '0')
  if (!Number.isSafeInteger(counter) || counter < 0)
    throw invalid('its guest-state counter is no number', 'a number', String(bundle.tags[generationTag]))
  return { key: unwrapReleasedKey(Buffer.from(envelope.ciphertext, 'base64url'), o.transferKey), jws, counter }
}

/** Tells the key service the generation that is on disk now, so that an older copy is never taken again. */
export async function reportGeneration(o: KeyServiceAccess & { generation: number }): Promise<void> {
  const token = await o.tokens.token('orchestrator', vaultAudience)
  const url = `${o.keyId}/guest-state-generation?api-version=${apiVersion}`
  await o.wire.request<GuestStateGeneration>({
    method: 'POST',
    url,
    token,
    body: { target: o.target, generation: o.generation },
  })
}

async function verifyAnswer(jws: string, caPem: string): Promise<ReleasedKey> {
  const chain = (decodeProtectedHeader(jws).x5c ?? []).map((text) => new X509Certificate(Buffer.from(text, 'base64')))
  const anchor = new X509Certificate(caPem)
  const leaf = chain[0]
  if (leaf === undefined) throw invalid('it carries no certificate', 'x5c', 'none')
  let current = leaf
  for (const issuer of [...chain.slice(1).filter((each) => each.fingerprint256 !== anchor.fingerprint256), anchor]) {
    if (!issuer.ca || !current.checkIssued(issuer) || !current.verify(issuer.publicKey)) {
      throw invalid('its certificate is not of this installation', anchor.subject, current.issuer)
    }
    current = issuer
  }
  try {
    const { payload } = await compactVerify(jws, leaf.publicKey, { algorithms: ['RS256', 'PS256'] })
    return JSON.parse(Buffer.from(payload).toString('utf8')) as ReleasedKey
  } catch {
    throw invalid('its signature does not verify', 'a signature by its certificate', 'another')
  }
}

function refused(error: unknown, keyId: string): unknown {
  if (!(error instanceof ServiceError) || error.status >= 500) return error
  return new ServiceError({
    code: 'KeyReleaseRefused',
    status: 409,
    message: `The key service did not release this VM's key: ${error.message}`,
    target: keyId,
    details: [error.toDetail()],
    ...(error.expected !== undefined && { expected: error.expected }),
    found: error.found ?? error.code,
    remedy:
      error.remedy ??
      'See that the key exists, is enabled, and that its release policy names this VM and its attestation provider.',
    cause: error,
  })
}

function invalid(what: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'ReleaseAnswerInvalid',
    status: 409,
    message: `The key service's answer cannot be trusted: ${what}.`,
    expected,
    found,
    remedy: 'See that the key service belongs to this installation.',
  })
}
