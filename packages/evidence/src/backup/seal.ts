import { toBase64Url } from '../core/bytes/base64.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { forWebCrypto } from '../core/bytes/digest.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { parseJws } from '../tokens/jws.ts'
import { shown } from '../tokens/shown.ts'

/** `typ` of a backup's manifest: no token can pass for one. */
const backupType = 'strongroom-backup+jws'
const [nonceLength, tagLength, dataKeyLength] = [12, 16, 32]
/** Of vTPM and variables. */
const lengthsLength = 8

/** Keys that a backup's data key yields (RFC 5869): each is for one purpose. */
async function derive(dataKey: Uint8Array, purpose: 'manifest' | 'guest state'): Promise<Uint8Array<ArrayBuffer>> {
  if (dataKey.length !== dataKeyLength)
    throw new ParseError({
      code: 'WrongLength',
      message: 'data key',
      expected: `${dataKeyLength} bytes`,
      found: `${dataKey.length} bytes`,
    })
  const key = await crypto.subtle.importKey('raw', forWebCrypto(dataKey), 'HKDF', false, ['deriveBits'])
  const info = utf8(`strongroom backup: ${purpose}`)
  const bits = await crypto.subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(32), info: forWebCrypto(info) },
    key,
    256,
  )
  return new Uint8Array(bits)
}

/**
 * A manifest as a compact JWS (RFC 7515) with HMAC-SHA-256 under a key of the data key's.
 * @example
 * import { parseJws, signBackup } from '@strongroom/evidence'
 *
 * const jws = await signBackup({ payload: '{"version":1}', dataKey: new Uint8Array(32) })
 * parseJws(jws).header['alg'] // => 'HS256'
 */
export async function signBackup(o: { payload: string; dataKey: Uint8Array }): Promise<string> {
  const header = toBase64Url(utf8(JSON.stringify({ alg: 'HS256', typ: backupType })))
  const signingInput = `${header}.${toBase64Url(utf8(o.payload))}`
  const key = await macKey(o.dataKey, 'sign')
  const mac = await crypto.subtle.sign('HMAC', key, forWebCrypto(utf8(signingInput)))
  return `${signingInput}.${toBase64Url(new Uint8Array(mac))}`
}

/**
 * The payload of a manifest whose MAC holds under the backup's data key: nobody without it has changed anything.
 * @throws ParseError, VerificationError TokenOfAnotherKind, AlgorithmNotAllowed, TokenSignatureInvalid
 * @example
 * import { signBackup, verifyBackup } from '@strongroom/evidence'
 *
 * const dataKey = new Uint8Array(32)
 * const jws = await signBackup({ payload: '{"version":1}', dataKey })
 * await verifyBackup({ jws, dataKey }) // => '{"version":1}'
 * verifyBackup({ jws, dataKey: new Uint8Array(32).fill(1) }) // throws VerificationError TokenSignatureInvalid
 */
export async function verifyBackup(o: { jws: string; dataKey: Uint8Array }): Promise<string> {
  const { header, payload, signingInput, signature } = parseJws(o.jws)
  const { typ, alg, ...more } = header
  if (typ !== backupType || Object.keys(more).length > 0)
    throw new VerificationError({
      code: 'TokenOfAnotherKind',
      message: 'The document is not the manifest of a backup',
      subject: 'token',
      expected: backupType,
      found: shown(typ),
    })
  if (alg !== 'HS256')
    throw new VerificationError({
      code: 'AlgorithmNotAllowed',
      message: 'The manifest is not authenticated by HMAC',
      subject: 'token',
      expected: 'HS256',
      found: shown(alg),
    })
  const key = await macKey(o.dataKey, 'verify')
  if (!(await crypto.subtle.verify('HMAC', key, forWebCrypto(signature), forWebCrypto(signingInput))))
    throw new VerificationError({
      code: 'TokenSignatureInvalid',
      message: 'The manifest was changed, or belongs to another data key',
      subject: 'token',
    })
  return new TextDecoder('utf-8', { fatal: true }).decode(payload)
}

async function macKey(dataKey: Uint8Array, use: 'sign' | 'verify'): Promise<CryptoKey> {
  const bytes = await derive(dataKey, 'manifest')
  return await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [use])
}

/** The parts of a VM's guest state in a backup, as in its files. */
export interface BackedUpState {
  tpm: Uint8Array
  variables: Uint8Array
  /** The record of updates of its Secure Boot variables; absent before the VM's first boot. */
  variableRecord?: Uint8Array
}

/**
 * AES-256-GCM under a key of the data key's: nonce, ciphertext, tag. The plaintext is the lengths of vTPM and variables,
 * 32 bits each, big-endian, the two, and the record.
 * @example
 * import { sealBackedUpState, utf8 } from '@strongroom/evidence'
 *
 * const state = { tpm: utf8('vTPM'), variables: utf8('UEFI variables') }
 * const sealed = await sealBackedUpState(state, new Uint8Array(32))
 * sealed.length // => 54
 */
export async function sealBackedUpState(state: BackedUpState, dataKey: Uint8Array): Promise<Uint8Array> {
  const lengths = new Uint8Array(lengthsLength)
  new DataView(lengths.buffer).setUint32(0, state.tpm.length)
  new DataView(lengths.buffer).setUint32(4, state.variables.length)
  const iv = crypto.getRandomValues(new Uint8Array(nonceLength))
  const key = await crypto.subtle.importKey('raw', await derive(dataKey, 'guest state'), 'AES-GCM', false, ['encrypt'])
  const plain = concat(lengths, state.tpm, state.variables, state.variableRecord ?? new Uint8Array())
  return concat(iv, new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain)))
}

/**
 * @throws ParseError Truncated, VerificationError TokenSignatureInvalid
 * @example
 * import { openBackedUpState, sealBackedUpState, utf8 } from '@strongroom/evidence'
 *
 * const dataKey = new Uint8Array(32)
 * const sealed = await sealBackedUpState({ tpm: utf8('vTPM'), variables: utf8('variables') }, dataKey)
 * const { tpm } = await openBackedUpState(sealed, dataKey)
 * tpm.length // => 4
 */
export async function openBackedUpState(sealed: Uint8Array, dataKey: Uint8Array): Promise<BackedUpState> {
  const truncated = (): ParseError => new ParseError({ code: 'Truncated', message: 'guest state of a backup' })
  if (sealed.length < nonceLength + tagLength + lengthsLength) throw truncated()
  const key = await crypto.subtle.importKey('raw', await derive(dataKey, 'guest state'), 'AES-GCM', false, ['decrypt'])
  const iv = forWebCrypto(sealed.subarray(0, nonceLength))
  const opened = await crypto.subtle
    .decrypt({ name: 'AES-GCM', iv }, key, forWebCrypto(sealed.subarray(nonceLength)))
    .catch(() => undefined)
  if (opened === undefined)
    throw new VerificationError({
      code: 'TokenSignatureInvalid',
      message: 'The guest state of the backup was changed, or belongs to another data key',
      subject: 'guest state',
    })
  const plain = new Uint8Array(opened)
  const variablesAt = lengthsLength + new DataView(opened).getUint32(0)
  const recordAt = variablesAt + new DataView(opened).getUint32(4)
  if (recordAt > plain.length) throw truncated()
  return {
    tpm: plain.subarray(lengthsLength, variablesAt),
    variables: plain.subarray(variablesAt, recordAt),
    ...(recordAt < plain.length && { variableRecord: plain.subarray(recordAt) }),
  }
}
