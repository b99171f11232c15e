import type { KeyObject } from 'node:crypto'
import {
  guestStateGenerationTag,
  keyAudience,
  hostReleaseWrapping,
  releaseSigningUsage,
  type GuestStateGeneration,
  type InstanceSpec,
  type KeyReleaseAnswer,
} from '@strongroom/contract'
import {
  EvidenceError,
  parseCertificate,
  parsePem,
  spkiSha256,
  verifyKeyRelease,
  type KeyRelease,
} from '@strongroom/evidence'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { unwrapReleasedKey, type TransferKey } from './transfer-key.ts'

const apiVersion = '7.4'

export interface Release {
  key: KeyObject
  /** The answer, for the boot evidence: it contains the key wrapped to a transfer key that is gone after the boot. */
  jws: string
  /** Guest states below this generation are older copies. */
  counter: number
}

export interface KeyServiceAccess {
  /** The release is requested as the orchestrator: in a customer's vault it has the rights that the customer granted. */
  wire: WireClient
  tokens: TokenSource
  /** Key identifier with version. */
  keyId: string
  /** Token of the attestation provider. */
  target: string
  /** Where the VM is placed; absent outside a fleet. */
  placement?: InstanceSpec['placement']
}

/**
 * Requests release of the VM's key to this boot, and verifies the answer: signed under the installation's authority,
 * about this key, wrapped to the transfer key.
 * @throws ServiceError KeyReleaseRefused, ReleaseAnswerInvalid, ReleasedKeyUnreadable
 */
export async function releaseKey(
  o: KeyServiceAccess & { caPem: string; transferKey: TransferKey; at: Date },
): Promise<Release> {
  const token = await o.tokens.token('orchestrator', keyAudience(o.keyId))
  const body = { target: o.target, enc: hostReleaseWrapping, ...placementOf(o) }
  const url = `${o.keyId}/release?api-version=${apiVersion}`
  const answer = await o.wire
    .request<KeyReleaseAnswer>({ method: 'POST', url, token, body })
    .catch((error: unknown) => {
      throw refused(error, o.keyId)
    })
  const jws = answer.body.value
  const release = await verifyAnswer({ jws, caPem: o.caPem, at: o.at })
  if (release.keyId !== o.keyId) throw invalid('it is about another key', o.keyId, release.keyId)
  if (release.wrappedFor !== 'HCLTransferKey')
    throw invalid('it is wrapped to another key', 'HCLTransferKey', release.wrappedFor)
  const tag = release.tags[guestStateGenerationTag] ?? '0'
  const counter = typeof tag === 'string' && /^\d+$/.test(tag) ? Number(tag) : Number.NaN
  if (!Number.isSafeInteger(counter))
    throw invalid('its guest-state counter is not a number', 'a number', JSON.stringify(tag).slice(0, 64))
  return { key: unwrapReleasedKey(Buffer.from(release.ciphertext), o.transferKey), jws, counter }
}

/** Reports the generation now on disk to the key service, so that an older copy is never accepted again. */
export async function reportGeneration(o: KeyServiceAccess & { generation: number }): Promise<void> {
  const token = await o.tokens.token('orchestrator', keyAudience(o.keyId))
  const url = `${o.keyId}/guest-state-generation?api-version=${apiVersion}`
  await o.wire.request<GuestStateGeneration>({
    method: 'POST',
    url,
    token,
    body: { target: o.target, generation: o.generation, ...placementOf(o) },
  })
}

const placementOf = ({ placement }: KeyServiceAccess): object => (placement === undefined ? {} : { placement })

/** The authority also certifies TLS and attestation keys: only a certificate for releases may sign one. */
async function verifyAnswer(o: { jws: string; caPem: string; at: Date }): Promise<KeyRelease> {
  const ca = parseCertificate(parsePem(o.caPem)[0] ?? new Uint8Array())
  const root = { name: 'installation authority', spkiSha256: await spkiSha256(ca) }
  try {
    const { release } = await verifyKeyRelease({
      jws: o.jws,
      at: o.at,
      roots: [root],
      signer: 'any',
      usage: releaseSigningUsage,
    })
    return release
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw invalid(error.message, error.expected ?? 'an answer signed by its key service', error.found ?? 'another')
  }
}

function refused(error: unknown, keyId: string): unknown {
  if (!(error instanceof ServiceError) || error.status >= 500) return error
  return new ServiceError({
    code: 'KeyReleaseRefused',
    message: `The key service did not release ${keyId} to this VM: ${error.message}`,
    target: keyId,
    details: [error.toDetail()],
    ...(error.expected !== undefined && { expected: error.expected }),
    found: error.found ?? error.code,
    remedy:
      error.remedy ??
      'Check that the key exists and is enabled (in a restored installation, after `strongroom installation ' +
        'accept-states`), that its release policy names this VM’s attestation provider, and that the Confidential ' +
        'VM Orchestrator may release it.',
    cause: error,
  })
}

function invalid(what: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'ReleaseAnswerInvalid',
    message: `The key service's answer cannot be trusted: ${what}.`,
    expected,
    found,
    remedy: 'Check that the key service belongs to this installation.',
  })
}
