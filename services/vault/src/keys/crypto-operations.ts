import { randomBytes } from 'node:crypto'
import type { KeyOperationResult, KeyVerifyResult } from '@strongroom/contract'
import { ServiceError, type Caller, type Clock } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import { equalBytes } from '../keystore/digest-info.ts'
import type { Keystore } from '../keystore/keystore.ts'
import { encryptWith, verifySignature } from '../keystore/public-operations.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { objectOf } from '../objects/attributes.ts'
import type { Place } from '../objects/lifecycle.ts'
import { keyId } from './bundles.ts'
import { bindingOf, type KeyVersion } from './key-version.ts'
import { keyEntry, type Keys } from './keys.ts'
import { parseCryptoRequest, type CryptoOperation } from './operation-input.ts'
import { assertUsable } from '../objects/usage.ts'

/** Operations that Azure allows outside a key's validity: undoing earlier ones. */
const undoing = new Set<CryptoOperation>(['decrypt', 'unwrapKey', 'verify'])

/** Uses of keys: each is checked against the key's attributes and operations, and logged before its answer leaves. */
export class CryptoOperations {
  readonly #o: { keys: Keys; keystore: Keystore; log: OperationLog; clock: Clock }

  constructor(o: { keys: Keys; keystore: Keystore; log: OperationLog; clock: Clock }) {
    this.#o = o
  }

  async perform(
    caller: Caller,
    operation: CryptoOperation,
    place: Place,
    version: string | undefined,
    body: unknown,
  ): Promise<KeyOperationResult | KeyVerifyResult> {
    const key = await this.#o.keys.get(place, version)
    try {
      const result = await this.#perform(operation, key, body)
      await this.#o.log.append(keyEntry(caller, operation, key))
      return result
    } catch (error) {
      // A log that cannot be written has refused already.
      if (!(error instanceof ServiceError) || error.code.startsWith('OperationLog')) throw error
      await this.#o.log.append({ ...keyEntry(caller, operation, key), verdict: 'refused', code: error.code })
      throw error
    }
  }

  async #perform(
    operation: CryptoOperation,
    key: KeyVersion,
    body: unknown,
  ): Promise<KeyOperationResult | KeyVerifyResult> {
    assertUsable(key, {
      noun: 'key',
      operation,
      at: this.#o.clock.now(),
      outsideTimes: undoing.has(operation),
    })
    if (!key.keyOps.includes(operation)) {
      throw new ServiceError({
        code: 'Forbidden',
        reason: 'KeyOperationForbidden',
        message: `Operation ${operation} is not permitted on this key.`,
        target: 'key_ops',
        expected: `key_ops with ${operation}`,
        found: key.keyOps.join(', ') || 'none',
        remedy: 'Use another key, or update key_ops of this one.',
      })
    }
    const request = parseCryptoRequest(operation, body, key)
    const parts = key.publicParts
    if (request.kind === 'verify') return { value: verifySignature({ ...request, spec: key.spec, parts }) }
    const kid = keyId(key, key.version)
    if (request.kind === 'publicEncrypt') {
      return { kid, value: base64url(encryptWith(parts, request.algorithm, request.value)) }
    }
    const { value, iv, tag } = await this.#o.keystore.use({
      material: key.material,
      binding: bindingOf(key),
      spec: key.spec,
      use: request.use,
    })
    if (request.kind === 'verifyMac') return { value: equalBytes(value, request.signature) }
    return {
      kid,
      value: base64url(value),
      ...(iv && { iv: base64url(iv) }),
      ...(tag && { tag: base64url(tag) }),
      ...(request.aad && { aad: base64url(request.aad) }),
    }
  }
}

/** `{ count }` → that many random bytes. @throws ServiceError 400 BadParameter */
export function randomBytesFor(body: unknown): { value: string } {
  const { count } = objectOf(body, 'body')
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 128) {
    throw badParameter('The count is out of range.', { target: 'count', expected: '1 to 128', found: shown(count) })
  }
  return { value: base64url(randomBytes(count)) }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}
