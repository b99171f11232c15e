import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  identityAudience,
  keyAudience,
  type CustomerKey,
  type KeyBundle,
  type ManagedIdentityToken,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { GuestState, type CustomerWrap } from '../vmgs/guest-state.ts'
import { releaseKey, type Release } from './release.ts'
import type { TransferKey } from './transfer-key.ts'

export interface CustomerKeyServices {
  wire: WireClient
  tokens: TokenSource
  tenantId: string
}

/** A customer's key released to this boot. */
export interface CustomerRelease extends CustomerWrap {
  release: Release
}

/**
 * Public half of a customer's key, read as the disk-encryption set's identity: revoking the set's rights to the key
 * stops its VMs from starting, whoever else may still read the vault.
 * @throws ServiceError CustomerKeyNotReadable
 */
export async function readCustomerKey(
  o: CustomerKeyServices & { customerKey: CustomerKey; keyId: string },
): Promise<CustomerWrap> {
  const { wire, customerKey, keyId } = o
  try {
    const token = await identityToken(o, keyAudience(keyId))
    const { body } = await wire.request<KeyBundle>({ method: 'GET', url: `${keyId}?api-version=7.4`, token })
    const { n = '', e = '', kid } = body.key
    if (kid !== keyId) throw new TypeError(`the answer is about ${kid}`)
    return { keyId, key: createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }) }
  } catch (error) {
    if (error instanceof ServiceError && error.status >= 500) throw error
    const known = error instanceof ServiceError ? error : undefined
    throw new ServiceError({
      code: 'CustomerKeyNotReadable',
      message: `The identity of the disk-encryption set cannot read its key: ${(error as Error).message}`,
      target: keyId,
      ...(known !== undefined && { details: [known.toDetail()] }),
      expected: known?.expected ?? `an RSA key that ${customerKey.diskEncryptionSet} may read`,
      found: known?.found ?? known?.code ?? 'another answer',
      remedy: known?.remedy ?? 'Give the identity of the disk-encryption set get, wrapKey and unwrapKey on the key.',
      cause: error,
    })
  }
}

async function identityToken(o: CustomerKeyServices & { customerKey: CustomerKey }, audience: string): Promise<string> {
  const token = await o.tokens.token('orchestrator', identityAudience)
  const { body } = await o.wire.request<ManagedIdentityToken>({
    method: 'POST',
    url: `${identityAudience}/${o.tenantId}/managedIdentities/token`,
    token,
    body: { resourceId: o.customerKey.identity, audience },
  })
  return body.accessToken
}

/**
 * Which of the set's keys wraps a guest state. The file is under the host's control: a key outside the set is refused.
 * @throws ServiceError CustomerKeyNotOfSet, GuestStateCorrupt
 */
export async function boundKey(path: string, customerKey: CustomerKey): Promise<string> {
  const found = await GuestState.customerKeyOf(path)
  if (found !== undefined && customerKey.keyIds.includes(found)) return found
  throw new ServiceError({
    code: 'CustomerKeyNotOfSet',
    message: 'The guest state is wrapped by a key that the disk-encryption set does not have.',
    target: customerKey.diskEncryptionSet,
    expected: customerKey.keyIds.join(' or '),
    found: found ?? 'a guest state wrapped only by the platform’s key',
    remedy: 'Set the disk-encryption set’s key to the one that wraps the guest state, then start the VM.',
  })
}

/** @throws ServiceError CustomerKeyNotReadable, KeyReleaseRefused, ReleaseAnswerInvalid, ReleasedKeyUnreadable */
export async function releaseCustomerKey(
  o: CustomerKeyServices & {
    customerKey: CustomerKey
    keyId: string
    target: string
    caPem: string
    transferKey: TransferKey
    at: Date
  },
): Promise<CustomerRelease> {
  const shown = await readCustomerKey(o)
  const release = await releaseKey(o)
  requireHalves(shown.key, release.key, o.keyId)
  return { keyId: o.keyId, key: release.key, release }
}

function requireHalves(publicKey: KeyObject, privateKey: KeyObject, keyId: string): void {
  if (createPublicKey(privateKey).equals(publicKey)) return
  throw new ServiceError({
    code: 'ReleaseAnswerInvalid',
    message: 'The key service’s answer cannot be trusted: it released a different key than it shows.',
    target: keyId,
    expected: 'the private half of the key that the set’s identity can read',
    found: 'another key',
    remedy: 'Check that the key service belongs to this installation.',
  })
}
