import { ByteReader } from '../core/bytes/byte-reader.ts'
import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { bankDigest, type HashName, hashAlgorithmByName } from '../eventlog/algorithms.ts'
import { VerificationError } from '../core/errors.ts'
import {
  type CertifyAttest,
  type NvCertifyAttest,
  type QuoteAttest,
  attestTypes,
  parseTpmsAttest,
  tpmGenerated,
} from './attest.ts'
import { nvName, type NvPublic } from './nv-public.ts'
import { parseTpm2bPublic, requireAttestationKey, tpmName, type TpmPublicKey } from './public.ts'
import { type TpmSignature, parseTpmtSignature, verifyTpmSignature } from './signature.ts'

/** Registers of one bank, signed by a TPM together with the caller's nonce. */
export interface VerifiedQuote {
  attest: QuoteAttest
  bank: HashName
  pcrs: ReadonlyMap<number, Uint8Array>
}

interface SignedByTpm {
  /** TPMS_ATTEST, exactly as signed. */
  message: Uint8Array
  /** TPMT_SIGNATURE, or its parts if a service returns the bare signature. */
  signature: Uint8Array | TpmSignature
  /** TPM2B_PUBLIC (its attributes must be an attestation key's), or a key known by other means to be one. */
  akPublic: Uint8Array | TpmPublicKey
  /** The verifier's challenge; must be the whole extra data. */
  nonce: Uint8Array
}

/**
 * Verifies a TPM2_Quote: signature, origin, nonce, selection and digest of the registers.
 * @param o.pcrs values claimed for every selected register, and for no other
 * @param o.bank required bank; default `sha256`. SHA-1 is never accepted.
 * @throws VerificationError TpmSignatureInvalid, TpmKeyNotAllowed, TpmMagicInvalid, TpmTypeMismatch, NonceMismatch,
 * PcrSelectionMismatch, PcrDigestMismatch
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { attestationKeyOf, fromHex, parseHclReport, parseRuntimeClaims, utf8, verifyQuote } from '@strongroom/evidence'
 *
 * const pcrs: string[] = JSON.parse(await readFile('azure/pcrs.json', 'utf8'))
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const quote = {
 *   message: await readFile('azure/quote.msg'),
 *   signature: { scheme: 'rsassa', hash: 'sha256', signature: await readFile('azure/quote.sig') },
 *   akPublic: attestationKeyOf(parseRuntimeClaims(claims)),
 *   pcrs: new Map(pcrs.map((value, index) => [index, fromHex(value)])),
 * } as const
 * const { bank } = await verifyQuote({ ...quote, nonce: utf8('challenge') })
 * bank // => 'sha256'
 * verifyQuote({ ...quote, nonce: utf8('replayed') }) // throws VerificationError NonceMismatch
 */
export async function verifyQuote(
  o: SignedByTpm & { pcrs: ReadonlyMap<number, Uint8Array>; bank?: HashName },
): Promise<VerifiedQuote> {
  const { attest, hash } = await verifyAttest(o, 'quote')
  const bank = o.bank ?? 'sha256'
  return { attest, bank, pcrs: await requireRegisters({ attest, pcrs: o.pcrs, bank, hash }) }
}

/**
 * Checks that a quote selects exactly these registers of one allowed bank, and that they have these values.
 * @param o.hash of the signature scheme, with which the TPM digests the registers
 * @returns the registers, in order
 * @throws VerificationError PcrSelectionMismatch, PcrDigestMismatch
 */
export async function requireRegisters(o: {
  attest: QuoteAttest
  pcrs: ReadonlyMap<number, Uint8Array>
  bank: HashName
  hash: HashName
}): Promise<Map<number, Uint8Array>> {
  const { attest, bank, hash } = o
  const selected = attest.pcrSelections.filter((selection) => selection.pcrs.length > 0)
  const [selection] = selected
  if (bank === 'sha1' || selected.length > 1 || selection?.bank !== bank) {
    throw new VerificationError({
      code: 'PcrSelectionMismatch',
      message: 'The quote selects other registers than one bank that is allowed',
      expected: bank === 'sha1' ? 'a bank other than sha1' : `registers of ${bank}`,
      found: selected.map((entry) => entry.bank).join(', ') || 'no register',
    })
  }
  const given = [...o.pcrs.keys()].toSorted((left, right) => left - right)
  if (given.join() !== selection.pcrs.join()) {
    throw new VerificationError({
      code: 'PcrSelectionMismatch',
      message: 'The quote selects other registers than are shown',
      expected: selection.pcrs.join(),
      found: given.join(),
    })
  }
  const { size } = hashAlgorithmByName(bank)
  const values = selection.pcrs.map((pcr) => o.pcrs.get(pcr) ?? new Uint8Array())
  const digest = await bankDigest(hash, ...values)
  if (values.some((value) => value.length !== size) || !equal(digest, attest.pcrDigest)) {
    throw new VerificationError({
      code: 'PcrDigestMismatch',
      message: 'The registers shown are not those that the TPM signed',
      expected: toHex(attest.pcrDigest),
      found: toHex(digest),
    })
  }
  return new Map(selection.pcrs.map((pcr, index) => [pcr, values[index] ?? new Uint8Array()]))
}

/**
 * Verifies a TPM2_Certify: the attestation key certifies that the object with this public area is in the same TPM.
 * @param o.objectPublic TPM2B_PUBLIC of the certified object
 * @throws VerificationError BindingMismatch if another object was certified, and those of verifyQuote
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromBase64Url, VerificationError, verifyCertify } from '@strongroom/evidence'
 *
 * // A quote certifies no object, however good its signature is.
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const akPublic = fromBase64Url(boot.vtpm.akPublic)
 * const problem = await verifyCertify({
 *   message: fromBase64Url(boot.measuredBoot.quoteMessage),
 *   signature: fromBase64Url(boot.measuredBoot.quoteSignature),
 *   akPublic,
 *   nonce: fromBase64Url(boot.measuredBoot.nonce),
 *   objectPublic: akPublic,
 * }).catch((error: unknown) => error)
 * problem instanceof VerificationError && problem.code // => 'TpmTypeMismatch'
 */
export async function verifyCertify(o: SignedByTpm & { objectPublic: Uint8Array }): Promise<CertifyAttest> {
  const { attest } = await verifyAttest(o, 'certify')
  const name = await tpmName(parseTpm2bPublic(o.objectPublic))
  if (!equal(name, attest.name)) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The TPM certified another object',
      expected: toHex(name),
      found: toHex(attest.name),
    })
  }
  return attest
}

/**
 * Verifies a TPM2_NV_Certify: the whole content of an NV index, in the TPM of the attestation key.
 * @param o.index its public area: whoever its attributes name can write it, and nobody else
 * @throws VerificationError BindingMismatch if another index was certified, or part of it, and those of verifyQuote
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromBase64Url, VerificationError, verifyNvCertify } from '@strongroom/evidence'
 *
 * // A quote certifies no index, however good its signature is.
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const problem = await verifyNvCertify({
 *   message: fromBase64Url(boot.measuredBoot.quoteMessage),
 *   signature: fromBase64Url(boot.measuredBoot.quoteSignature),
 *   akPublic: fromBase64Url(boot.vtpm.akPublic),
 *   nonce: fromBase64Url(boot.measuredBoot.nonce),
 *   index: { handle: 0x01400107, attributes: 0x62050001, bytes: 40 },
 * }).catch((error: unknown) => error)
 * problem instanceof VerificationError && problem.code // => 'TpmTypeMismatch'
 */
export async function verifyNvCertify(o: SignedByTpm & { index: NvPublic }): Promise<NvCertifyAttest> {
  const { attest } = await verifyAttest(o, 'nv')
  const name = await nvName(o.index)
  if (!equal(name, attest.indexName) || attest.offset !== 0 || attest.contents.length !== o.index.bytes) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The TPM certified another NV index, or part of one',
      expected: `${o.index.bytes} bytes of ${toHex(name)}`,
      found: `${attest.contents.length} bytes at ${attest.offset} of ${toHex(attest.indexName)}`,
    })
  }
  return attest
}

/** The TPM statements that this file verifies. */
interface Attests {
  quote: QuoteAttest
  certify: CertifyAttest
  nv: NvCertifyAttest
}

async function verifyAttest<Type extends keyof Attests>(
  o: SignedByTpm,
  type: Type,
): Promise<{ attest: Attests[Type]; hash: HashName }> {
  const signature = o.signature instanceof Uint8Array ? parseTpmtSignature(o.signature) : o.signature
  await verifyTpmSignature({
    key: o.akPublic instanceof Uint8Array ? requireAttestationKey(o.akPublic) : o.akPublic,
    signature,
    message: o.message,
  })
  const reader = new ByteReader(o.message, 'TPMS_ATTEST')
  const magic = reader.u32be('magic')
  if (magic !== tpmGenerated) {
    // A restricted key never signs such a message, so the key is not an attestation key.
    throw new VerificationError({
      code: 'TpmMagicInvalid',
      message: 'The signed message was not made by the TPM',
      expected: '0xff544347',
      found: `0x${magic.toString(16)}`,
    })
  }
  const found = reader.u16be('type')
  if (found !== attestTypes[type]) {
    throw new VerificationError({
      code: 'TpmTypeMismatch',
      message: 'The TPM signed a structure of another kind',
      expected: `0x${attestTypes[type].toString(16)} (${type})`,
      found: `0x${found.toString(16)}`,
    })
  }
  const attest = parseTpmsAttest(o.message) as Attests[Type]
  if (!equal(attest.extraData, o.nonce)) {
    throw new VerificationError({
      code: 'NonceMismatch',
      message: 'The TPM signed another nonce',
      expected: toHex(o.nonce),
      found: toHex(attest.extraData),
    })
  }
  return { attest, hash: signature.hash }
}
