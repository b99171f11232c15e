export { fromBase64, fromBase64Url, toBase64, toBase64Url } from './core/bytes/base64.ts'
export { ByteReader } from './core/bytes/byte-reader.ts'
export { ByteWriter } from './core/bytes/byte-writer.ts'
export { concat, equal, isZero, reversed, utf8 } from './core/bytes/bytes.ts'
export { digest, digestLength, forWebCrypto, type HashName } from './core/bytes/digest.ts'
export { formatGuid, formatUuid, parseGuid } from './core/bytes/guid.ts'
export { fromHex, toHex } from './core/bytes/hex.ts'
export { DerReader, derTag, type DerValue } from './core/der/der-reader.ts'
export * from './core/der/der-values.ts'
export { checkCatalogue, type CheckId } from './checks/catalogue.ts'
export {
  allOf,
  appraised,
  failed,
  firstFailure,
  missingChecks,
  passed,
  skipped,
  type Check,
  type Checked,
  type CheckOutcome,
} from './checks/check.ts'
export { Checklist } from './checks/checklist.ts'
export {
  checkAzure,
  checkRuntimeClaims,
  checkTdReport,
  type AzureFinding,
  type AzureParts,
  type TdSibling,
} from './checks/check-azure.ts'
export { checkCertificates, checkCollateral, checkCrl, type SignedText } from './checks/check-certificates.ts'
export { appraiseClaims, checkHcl, type HclFinding, type HclPolicy } from './checks/check-hcl.ts'
export { checkEventLog } from './checks/check-log.ts'
export { checkSnp } from './checks/check-snp.ts'
export { checkTdx } from './checks/check-tdx.ts'
export { appraiseTokenClaims, checkKeyRelease, checkToken, type ClaimRules } from './checks/check-token.ts'
export { checkTpmQuote, type TpmEvidence } from './checks/check-tpm.ts'
export * from './core/errors.ts'
export type { Failure, FailureCode } from './core/failure.ts'
export type { TrustAnchor, TrustAnchors } from './x509/trust-anchors.ts'
export type { SignatureAlgorithm, SignatureHash } from './x509/algorithms.ts'
export { parseCertificate, type Certificate } from './x509/certificate.ts'
export { parseCrl, verifyCrl, type Crl } from './x509/crl.ts'
export { certificateOf, chainOf, crlOf } from './x509/inputs.ts'
export {
  extensionReader,
  findExtension,
  type BasicConstraints,
  type Extension,
  type KeyUsage,
} from './x509/extensions.ts'
export { describeName, sameName, type Name } from './x509/name.ts'
export { spkiSha256, verifyPath } from './x509/path.ts'
export type { VerifyContext } from './x509/verify-context.ts'
export { parsePem } from './x509/pem.ts'
export {
  nodePrimitives,
  webPrimitives,
  type NodeCrypto,
  type Primitives,
  type SignatureCheck,
} from './x509/primitives.ts'
export { verifyRawEcdsa, verifySignature } from './x509/verify-signature.ts'
export { parsePublicKey, type Curve, type PublicKey } from './x509/public-key.ts'
export { VerificationCache, type CacheLimits } from './x509/verification-cache.ts'
export { appraiseSnp, type SnpPolicy, type TcbBounds } from './snp/appraise.ts'
export { amdOid, readEndorsement, type SnpEndorsement } from './snp/endorse.ts'
export {
  genuineAmdAnchors,
  productOfCpu,
  productOfName,
  snpProducts,
  type CpuIdentity,
  type SnpProduct,
  type TcbVersion,
} from './snp/products.ts'
export {
  parseSnpReport,
  snpReportLength,
  snpSignedLength,
  type SnpFirmwareVersion,
  type SnpGuestPolicy,
  type SnpPlatformInfo,
  type SnpReport,
  type SnpSigningKey,
} from './snp/report.ts'
export { decodeTcb, describeTcb, encodeTcb, tcbParts } from './snp/tcb.ts'
export { verifySnp, type SnpChain, type VerifiedSnp } from './snp/verify.ts'
export {
  buildHclReport,
  hclReportData,
  parseHclReport,
  verifyHclBinding,
  type HclReport,
  type HclReportType,
  type HclRequestType,
} from './azure/hcl-report.ts'
export { hashAlgorithmById, hashAlgorithmByName, type HashName as PcrBank } from './eventlog/algorithms.ts'
export { appraiseBoot, bootClaims, type BootClaims, type BootPolicy } from './eventlog/boot-claims.ts'
export { parseMeasuredVariable, type MeasuredVariable } from './eventlog/measured-variable.ts'
export { parseEventLog, type EventLog, type LogEvent } from './eventlog/event-log.ts'
export { eventTypeName, eventTypes } from './eventlog/event-types.ts'
export {
  dataCoverage,
  replay,
  replayRtmrs,
  separators,
  verifyEventLog,
  verifyRtmrLog,
  type DataCoverage,
  type MeasuredEvent,
  type VerifiedEventLog,
} from './eventlog/replay.ts'
export { appraiseTdx, type TdxPolicy } from './tdx/appraise.ts'
export { genuineIntelAnchors, type TdxCollateral } from './tdx/collateral.ts'
export { pckOids, readPckExtension, type PckExtension } from './tdx/pck.ts'
export { parseQeIdentity, type QeIdentity } from './tdx/qe-identity.ts'
export { parseTdxQuote, type TdxQuote } from './tdx/quote.ts'
export { parseTcbInfo, type TcbAssessment, type TcbInfo } from './tdx/tcb-info.ts'
export { tcbStatuses, worstStatus, type TcbStatus } from './tdx/tcb-status.ts'
export { tdAttributes, type TdBody } from './tdx/td-body.ts'
export { parseTdReport, sameTd, verifyTdReportHashes, type TdReport } from './tdx/td-report.ts'
export { verifyTdx, type VerifiedTdx } from './tdx/verify.ts'
export {
  parseTpmsAttest,
  type CertifyAttest,
  type NvCertifyAttest,
  type QuoteAttest,
  type TpmsAttest,
} from './tpm/attest.ts'
export type { PcrSelection } from './tpm/pcr-selection.ts'
export {
  isAttestationKey,
  objectAttributes,
  parseTpm2bPublic,
  tpmKeyFromJwk,
  tpmName,
  type TpmPublic,
  type TpmPublicKey,
} from './tpm/public.ts'
export type { NvPublic } from './tpm/nv-public.ts'
export { verifyCertify, verifyNvCertify, verifyQuote, type VerifiedQuote } from './tpm/quote.ts'
export { parseTpmtSignature, verifyTpmSignature, type TpmSignature } from './tpm/signature.ts'
export { parsePlatformClaim, type PlatformClaim } from './tpm/platform-claim.ts'
export { pcrPolicyDigest, requirePcrBoundKey } from './tpm/pcr-policy.ts'
export { defaultSecureBootKeys, readBootState, type BootState } from './azure/boot-state.ts'
export {
  requireSameTd,
  verifyAzureEvidence,
  type AzureEvidence,
  type AzureHardware,
  type AzureTpmQuote,
  type VerifiedAzure,
} from './azure/bundle.ts'
export {
  attestationKeyOf,
  describeKey,
  parseRuntimeClaims,
  requireSameKey,
  type RuntimeClaims,
} from './azure/runtime-claims.ts'
export { tokenAlgorithms, type TokenAlgorithm } from './tokens/algorithms.ts'
export { verifyCertifiedJws, type CertifiedJws, type SignerRules } from './tokens/certified.ts'
export { readJsonObject } from './tokens/json.ts'
export { parseJws, type Jws } from './tokens/jws.ts'
export { parseJwks, type Jwk } from './tokens/keys.ts'
export {
  genuineVaultAnchors,
  readKeyRelease,
  vaultSigner,
  verifyKeyRelease,
  type KeyRelease,
  type VerifiedRelease,
} from './tokens/release.ts'
export { policyStatementClaims, requireKind, type TokenKind } from './tokens/kind.ts'
export { verifyToken, type TokenRules, type VerifiedToken } from './tokens/verify.ts'
export { openBackedUpState, sealBackedUpState, signBackup, verifyBackup, type BackedUpState } from './backup/seal.ts'
export { parseSshSignature, verifySshSignature, type SshSignature } from './ssh/signature.ts'
