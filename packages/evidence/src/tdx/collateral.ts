import { fromHex } from '../core/bytes/hex.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { VerificationError } from '../core/errors.ts'
import { describeTime } from '../core/time.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import { certificateOf, chainOf } from '../x509/inputs.ts'
import { factOf, type VerifyContext } from '../x509/verify-context.ts'
import { describeName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import { findExtension } from '../x509/extensions.ts'
import { pckOids } from './pck.ts'
import { type SignedText, splitSignedJson } from './signed-json.ts'

/** Intel's statements about a platform, as its service (PCS API version 4) or a cache serves them. */
export interface TdxCollateral {
  /** `{"tcbInfo":{…},"signature":"…"}`, unchanged: the signature covers the text. */
  tcbInfo: string
  /** TCB signing certificate, then root. */
  tcbInfoIssuerChainPem: string
  /** `{"enclaveIdentity":{…},"signature":"…"}` of the TD quoting enclave, unchanged. */
  qeIdentity: string
  qeIdentityIssuerChainPem: string
  /** DER, by the CA that issued the PCK certificate. */
  pckCrl: Uint8Array
  /** Served with the list; not needed, because an authority of the quote's own chain must have signed the list. */
  pckCrlIssuerChainPem: string
  /** DER, by the root. */
  rootCaCrl: Uint8Array
}

/**
 * Production Intel SGX Root CA, by its key.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineIntelAnchors, parseCertificate, parseTdxQuote, spkiSha256 } from '@strongroom/evidence'
 *
 * const { certification } = parseTdxQuote(await readFile('quote.bin'))
 * const root = certification.type === 'pckChain' ? certification.chain.at(-1) : undefined
 * const pin = root && (await spkiSha256(parseCertificate(root)))
 * genuineIntelAnchors.some(({ spkiSha256 }) => spkiSha256 === pin) // => true
 */
export const genuineIntelAnchors: readonly TrustAnchor[] = [
  { name: 'Intel SGX Root CA', spkiSha256: 'a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e' },
]

/** What Intel's service signs, by the member that contains it. */
export const signedTexts = { tcbInfo: 'TCB info', enclaveIdentity: 'QE identity' } as const

/** Common name of the certificate that signs TCB info and enclave identities (Intel PCS, section on certificates). */
const tcbSigningName = 'Intel SGX TCB Signing'

/**
 * Verifies one signed text: the chain of its signer at this time, the signer's kind, the signature over the text's
 * exact bytes.
 * @param o.crls undefined leaves revocation unchecked
 * @param o.read reads the signed value after its signature is verified; must be a module-level function, because
 * results are cached by it
 * @returns the result of `read`
 * @throws VerificationError CollateralSignatureInvalid, CertificateNotForThisUse, and those of verifyPath
 */
export async function verifySignedText<T extends object>(
  o: VerifyContext & {
    text: string
    member: keyof typeof signedTexts
    issuerChainPem: string
    anchors: readonly TrustAnchor[]
    crls?: readonly Crl[] | undefined
    at: Date
    read: (body: string) => T
  },
): Promise<T> {
  const { member, crls, at } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const subject = signedTexts[member]
  const split = (text: string): SignedText => splitSignedJson(text, member)
  const signed = o.cache === undefined ? split(o.text) : o.cache.parsedText(member, o.text, split)
  const chain = chainOf(o.issuerChainPem, context).map((der) => certificateOf(der, context))
  const signer = chain[0]
  if (signer === undefined || chain.length !== 2) {
    throw new VerificationError({
      code: 'PathTooLong',
      message: `${subject}: chain of the signer has another length`,
      subject,
      expected: '2 certificates',
      found: String(chain.length),
    })
  }
  await verifyPath({ chain, anchors: o.anchors, crls, at, requireCrls: crls !== undefined, ...context })
  requireTcbSigner(signer, subject)
  // Read only once signed, and cached together: a cached value is one that this certificate signed. Keyed by reader:
  // two readers of one text must not receive each other's result (attack E19).
  const readings = await factOf(context, signed, signer, async () =>
    (await isSigned(signed, signer, context)) ? new Map<(body: string) => object, object>() : undefined,
  )
  if (readings === undefined) {
    throw new VerificationError({
      code: 'CollateralSignatureInvalid',
      message: `${subject} is not as its signer signed it`,
      subject,
    })
  }
  const value = (readings.get(o.read) as T | undefined) ?? o.read(signed.body)
  readings.set(o.read, value)
  return value
}

async function isSigned(
  { body, signature }: SignedText,
  signer: Certificate,
  context: VerifyContext,
): Promise<boolean> {
  const { publicKey: key } = signer
  // Signatures of 64 bytes are P-256: no key on another curve makes a valid one.
  if (key.kind !== 'EC') return false
  const { primitives } = context
  return verifyRawEcdsa({ key, hash: 'SHA-256', signature: fromHex(signature), data: utf8(body), primitives })
}

/** Checks that a text is current: issued before, next update after. @throws VerificationError */
export function requireCurrent(o: { issueDate: Date; nextUpdate: Date; at: Date; subject: string }): void {
  const { subject } = o
  // An invalid time compares false both ways: it is refused.
  if (!(o.at >= o.issueDate)) {
    throw new VerificationError({
      code: 'CollateralNotYetValid',
      message: `${subject} is of the future`,
      subject,
      expected: `at or after ${o.issueDate.toISOString()}`,
      found: describeTime(o.at),
    })
  }
  if (!(o.at <= o.nextUpdate)) {
    throw new VerificationError({
      code: 'CollateralExpired',
      message: `${subject} is out of date`,
      subject,
      expected: `at or before ${o.nextUpdate.toISOString()}`,
      found: o.at.toISOString(),
    })
  }
}

function requireTcbSigner(signer: Certificate, subject: string): void {
  const maySign = signer.keyUsage === undefined || signer.keyUsage.has('digitalSignature')
  const { commonName } = signer.subject
  if (commonName !== tcbSigningName || !maySign || findExtension(signer.extensions, pckOids.extension) !== undefined) {
    throw new VerificationError({
      code: 'CertificateNotForThisUse',
      message: `${subject} is signed by a certificate for another use`,
      subject,
      expected: tcbSigningName,
      found: describeName(signer.subject),
    })
  }
}
