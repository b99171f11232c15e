import { vaultHost, type ReleaseWrapping } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import { releaseWrappings } from '../keystore/wrap.ts'
import { objectOf } from '../objects/attributes.ts'
import { checkObjectName, checkVersion } from '../core/names.ts'
import type { Vault } from '../vaults/vault.ts'

/** A key wrapped by another HSM, and the key of this vault it was wrapped for. */
export interface KeyTransfer {
  exchange: { name: string; version: string | undefined }
  algorithm: ReleaseWrapping
  wrapped: Uint8Array
}

const textLimit = 32 * 1024
const target = 'key.key_hsm'

/**
 * `key_hsm`: base64url of a KeyTransferBlob.
 * @throws ServiceError 400 BadParameter, naming the invalid member
 */
export function parseTransfer(value: unknown, vault: Vault): KeyTransfer {
  let blob: Record<string, unknown>
  try {
    blob = objectOf(JSON.parse(bytesOf(value, target).toString('utf8')), target)
  } catch {
    throw wrong('', 'a key transfer blob: JSON in base64url', shown(typeof value === 'string' ? 'another text' : value))
  }
  if (blob.schema_version !== '1.0' && blob.schema_version !== '1.0.0') {
    throw wrong('.schema_version', '1.0.0', shown(blob.schema_version))
  }
  const header = objectOf(blob.header, `${target}.header`)
  if (header.alg !== 'dir') throw wrong('.header.alg', 'dir', shown(header.alg))
  const algorithm = releaseWrappings.find((name) => name === header.enc)
  if (algorithm === undefined) throw wrong('.header.enc', releaseWrappings.join(', '), shown(header.enc))
  return {
    exchange: exchangeOf(header.kid, vault),
    algorithm,
    wrapped: bytesOf(blob.ciphertext, `${target}.ciphertext`),
  }
}

/** Address of a key in this vault: other vaults' keys are not looked up. */
function exchangeOf(kid: unknown, vault: Vault): KeyTransfer['exchange'] {
  const begin = `https://${vaultHost(vault.name)}/keys/`
  if (typeof kid !== 'string' || !kid.toLowerCase().startsWith(begin)) {
    throw wrong('.header.kid', `the address of a key of this vault, ${begin}…`, shown(kid))
  }
  const [name, version, ...more] = kid.slice(begin.length).split('/')
  if (more.length > 0) throw wrong('.header.kid', `${begin}NAME/VERSION`, shown(kid))
  return { name: checkObjectName(name), version: version === undefined ? undefined : checkVersion(version) }
}

function bytesOf(value: unknown, place: string): Buffer {
  // az pads its base64url.
  const text = typeof value === 'string' && value.length <= textLimit ? value.replace(/={1,2}$/, '') : ''
  if (/^[A-Za-z0-9_-]+$/.test(text) && text.length % 4 !== 1) return Buffer.from(text, 'base64url')
  throw badParameter('The key to import is not valid.', {
    target: place,
    expected: `base64url of at most ${textLimit} characters`,
    found: typeof value === 'string' ? `a text of ${value.length} characters` : typeof value,
  })
}

function wrong(place: string, expected: string, found: string): ServiceError {
  return badParameter('The key to import is not valid.', { target: `${target}${place}`, expected, found })
}
