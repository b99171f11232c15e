/** Why a parser refuses bytes. Codes are part of the API; message texts are not. */
export type ParseErrorCode =
  /** Fewer bytes than the structure needs. */
  | 'Truncated'
  /** Bytes after the end of the structure. */
  | 'TrailingBytes'
  /** A length field or the whole input has a length that the format does not allow. */
  | 'WrongLength'
  /** A field that the specification reserves is not zero. */
  | 'ReservedNotZero'
  /** Magic number or structure tag is another. */
  | 'WrongMagic'
  /** Version that this reader does not know. */
  | 'UnknownVersion'
  /** Type, algorithm, product or enumeration value that this reader does not know. */
  | 'UnknownType'
  /** Value outside what the specification allows. */
  | 'InvalidValue'
  /** The same value could be encoded in a shorter or another way: refused, so that one meaning has one form. */
  | 'NotCanonical'
  /** Nested deeper than any genuine structure. */
  | 'TooDeep'
  /** Larger than any genuine structure. */
  | 'TooLarge'
  /** Something that may occur once occurs again. */
  | 'Duplicate'
  /** A part that the specification requires is absent. */
  | 'Missing'
  /** Text is not in the encoding that it claims (hexadecimal, base64, UTF-8, JSON, PEM). */
  | 'InvalidEncoding'

/** Why evidence is not genuine. Verification stops at the first reason. */
export type VerificationErrorCode =
  // Certificates, paths and revocation lists (RFC 5280)
  | 'UntrustedRoot'
  | 'NoTrustAnchors'
  | 'IssuerMismatch'
  | 'CertificateSignatureInvalid'
  | 'CertificateNotYetValid'
  | 'CertificateExpired'
  | 'CertificateRevoked'
  | 'CertificateNotForThisUse'
  | 'UnknownCriticalExtension'
  | 'PathTooLong'
  | 'AlgorithmNotAllowed'
  | 'CrlSignatureInvalid'
  | 'CrlIssuerMismatch'
  | 'CrlNotYetValid'
  | 'CrlExpired'
  // Reports and quotes
  | 'ReportSignatureInvalid'
  | 'IdBlockSignatureInvalid'
  | 'SigningKeyMismatch'
  | 'ProductMismatch'
  | 'TcbMismatch'
  | 'ChipMismatch'
  | 'EndorsementInvalid'
  | 'QuoteSignatureInvalid'
  | 'QeReportSignatureInvalid'
  | 'QeReportDataMismatch'
  | 'QeIdentityMismatch'
  | 'QeVendorMismatch'
  | 'CertificationDataNotSupported'
  | 'CollateralMissing'
  | 'CollateralInvalid'
  | 'CollateralSignatureInvalid'
  | 'CollateralNotYetValid'
  | 'CollateralExpired'
  | 'FmspcMismatch'
  | 'PceIdMismatch'
  | 'TdxModuleMismatch'
  | 'ReportMacInvalid'
  // TPM
  | 'TpmMagicInvalid'
  | 'TpmTypeMismatch'
  | 'TpmSignatureInvalid'
  | 'TpmKeyNotAllowed'
  | 'NonceMismatch'
  | 'PcrSelectionMismatch'
  | 'PcrDigestMismatch'
  | 'VolumeMismatch'
  | 'HostKeyMismatch'
  | 'EventLogMismatch'
  // Tokens (RFC 7515, 7517, 7519, 8725)
  | 'TokenKeyUnknown'
  | 'TokenKeyNotAllowed'
  | 'TokenSignatureInvalid'
  | 'TokenIssuerMismatch'
  | 'TokenAudienceMismatch'
  | 'TokenOfAnotherKind'
  | 'TokenClaimMissing'
  | 'TokenNotYetValid'
  | 'TokenExpired'
  // Signed writes of Secure Boot variables (UEFI 2.10, section 8.2.2)
  | 'VariableSignatureInvalid'
  | 'VariableSignerNotAllowed'
  | 'VariableNotNewer'
  | 'VariableNotAllowed'
  // Bindings between pieces of evidence, and between a policy and evidence
  | 'BindingMismatch'
  | 'RuleNotApplicable'

/** Facts about an error, as displayable text. Never a secret: evidence contains none. */
export interface ErrorFacts {
  message: string
  expected?: string | undefined
  found?: string | undefined
  cause?: unknown
}

/**
 * Base of every error of this package; `layer` says which of the three layers refused.
 * @example
 * import { EvidenceError, parseSnpReport } from '@strongroom/evidence'
 *
 * const problem = (bytes: Uint8Array): string => {
 *   try {
 *     parseSnpReport(bytes)
 *     return 'none'
 *   } catch (error) {
 *     if (!(error instanceof EvidenceError)) throw error
 *     return `${error.layer}: expected ${error.expected}, found ${error.found}`
 *   }
 * }
 * problem(new Uint8Array(100)) // => 'parse: expected 1184 bytes, found 100 bytes'
 */
export class EvidenceError extends Error {
  readonly layer: 'parse' | 'verify'
  readonly expected: string | undefined
  readonly found: string | undefined

  constructor(layer: 'parse' | 'verify', facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'EvidenceError'
    this.layer = layer
    this.expected = facts.expected
    this.found = facts.found
  }
}

/**
 * The bytes are not what they claim to be, so their content is unknown.
 * @example
 * import { ParseError } from '@strongroom/evidence'
 *
 * const error = new ParseError({ code: 'WrongMagic', message: 'header: not a log', offset: 4, expected: 'TPML', found: '0000' })
 * error.code // => 'WrongMagic'
 * error.offset // => 4
 */
export class ParseError extends EvidenceError {
  readonly code: ParseErrorCode
  /** Offset of the fault in the outermost input, in bytes. */
  readonly offset: number | undefined

  constructor(facts: ErrorFacts & { code: ParseErrorCode; offset?: number | undefined }) {
    super('parse', facts)
    this.name = 'ParseError'
    this.code = facts.code
    this.offset = facts.offset
  }
}

/**
 * The bytes are well formed, but not genuine or not valid at this time.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineIntelAnchors, parseCertificate, parsePem, VerificationError, verifyPath } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const asked = { chain: [ask, ark], anchors: genuineIntelAnchors, at: new Date('2024-01-01'), leafMayBeCa: true }
 * const problem = await verifyPath(asked).catch((error: unknown) => error)
 * problem instanceof VerificationError && problem.code // => 'UntrustedRoot'
 */
export class VerificationError extends EvidenceError {
  readonly code: VerificationErrorCode
  /** Which certificate, list or structure failed, for example `VCEK` or `TCB info`. */
  readonly subject: string | undefined

  constructor(facts: ErrorFacts & { code: VerificationErrorCode; subject?: string | undefined }) {
    super('verify', facts)
    this.name = 'VerificationError'
    this.code = facts.code
    this.subject = facts.subject
  }
}
