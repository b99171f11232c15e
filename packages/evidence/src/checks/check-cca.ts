import { appraiseCca, type CcaPolicy } from '../cca/appraise.ts'
import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { type CcaToken, parseCcaToken } from '../cca/token.ts'
import { verifyCoseSign1 } from '../cbor/cose-sign1.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { appraised, type Check, passed, unendorsed } from './check.ts'
import { Checklist } from './checklist.ts'
import { VerificationError } from '../core/errors.ts'

/**
 * Verifies the token of an Arm CCA realm: the platform's key certifies the realm's key, which signs the realm's claims.
 * @param o.keys platform attestation keys (CPAK); Arm has no root for them
 * @param o.isEndorsed whether the caller knows whose key it is; absent: of all `keys`
 * @param o.nonce 64 bytes; absent: freshness is not checked
 * @param o.policy absent: only the platform's lifecycle is appraised
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { firstFailure, parsePublicKey } from '@strongroom/evidence'
 * import { checkCca } from '@strongroom/evidence/files'
 *
 * const { check } = await checkCca({ token: await readFile('cca.cbor'), keys: [parsePublicKey(await readFile('cpak.der'))] })
 * check.outcome // => 'passed'
 * // By the key of another platform.
 * const { publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const other = parsePublicKey(new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)))
 * const refused = await checkCca({ token: await readFile('cca.cbor'), keys: [other] })
 * firstFailure(refused.check)?.id // => 'cca.platform'
 */
export async function checkCca(
  o: VerifyContext & {
    token: Uint8Array
    keys: readonly PublicKey[]
    nonce?: Uint8Array | undefined
    policy?: CcaPolicy | undefined
    isEndorsed?: (key: PublicKey) => Promise<boolean>
  },
): Promise<{ check: Check; key: PublicKey | undefined }> {
  const list = new Checklist()
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const token = await list.run('cca.format', [], () => parseCcaToken(o.token))
  let key: PublicKey | undefined
  if (o.keys.length === 0) {
    list.skip('cca.platform', 'The platform’s key (CPAK) was not given: get it from the maker of the platform')
  } else {
    await list.run('cca.platform', [token], async ({ platform: { sign1 } }: CcaToken) => {
      for (const each of o.keys) {
        if (await signedBy(sign1, each, context)) return void (key = each)
      }
      await verifyCoseSign1({ sign1, key: o.keys[0] as PublicKey, subject: 'CCA platform token', ...context })
    })
  }
  if (key !== undefined && o.isEndorsed !== undefined) {
    const message = 'Nothing endorses the platform’s key: anyone can create one and sign tokens with it'
    list.add((await o.isEndorsed(key)) ? passed('cca.endorsement') : unendorsed('cca.endorsement', message))
  }
  await list.run('cca.binding', [token], requireBinding)
  await list.run('cca.realm', [token], ({ realm: { sign1, key: own } }: CcaToken) =>
    verifyCoseSign1({ sign1, key: own, subject: 'CCA realm token', ...context }),
  )
  if (o.nonce !== undefined) await list.run('cca.nonce', [token, o.nonce], requireNonce)
  if (token === undefined) list.skip('cca.policy', 'The token cannot be read')
  else list.add(appraised('cca.policy', appraiseCca(token, o.policy ?? {})))
  return { check: list.all('cca'), key }
}

async function signedBy(
  sign1: CcaToken['platform']['sign1'],
  key: PublicKey,
  context: VerifyContext,
): Promise<boolean> {
  try {
    await verifyCoseSign1({ sign1, key, subject: 'CCA platform token', ...context })
    return true
  } catch {
    return false
  }
}

async function requireBinding({ platform, realm }: CcaToken): Promise<void> {
  const wanted = await digest(realm.publicKeyHash, realm.publicKey)
  if (equal(platform.challenge, wanted)) return
  const facts = { expected: toHex(wanted), found: toHex(platform.challenge) }
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The platform vouches for another realm’s key',
    ...facts,
  })
}

function requireNonce({ realm }: CcaToken, nonce: Uint8Array): void {
  if (equal(realm.challenge, nonce)) return
  const facts = { expected: toHex(nonce), found: toHex(realm.challenge) }
  throw new VerificationError({ code: 'NonceMismatch', message: 'The realm answers another challenge', ...facts })
}
