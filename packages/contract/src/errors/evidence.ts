/** Why evidence is malformed or not genuine: the more specific code in `details` of an InvalidParameter, and in `strongroom evidence`. */
export const evidenceErrors = {
  AlgorithmNotAllowed: {
    when: 'An algorithm is not accepted.',
    remedy: 'Use one that the error lists.',
  },
  BindingMismatch: {
    when: 'The evidence does not bind the data it should.',
    remedy: 'Send the exact bytes it was made over.',
  },
  CertificateExpired: {
    when: 'A certificate has expired.',
    remedy: 'Fetch the vendor’s newer one.',
  },
  CertificateNotForThisUse: {
    when: 'A certificate is for a different use.',
    remedy: 'Send the right one.',
  },
  CertificateNotYetValid: {
    when: 'A certificate is not valid yet.',
    remedy: 'Set the clock.',
  },
  CertificateRevoked: {
    when: 'The vendor revoked a certificate.',
    remedy: 'Move the machine to other hardware.',
  },
  CertificateSignatureInvalid: {
    when: 'A certificate is not signed by its issuer.',
    remedy: 'Send the vendor’s certificates unchanged.',
  },
  CertificationDataNotSupported: {
    when: 'The quote does not carry its certificate chain.',
    remedy: 'Send a quote with certification data of type 5.',
  },
  ChipMismatch: {
    when: 'Report and certificate belong to different chips.',
    remedy: 'Send the certificate of this chip.',
  },
  CollateralExpired: {
    when: 'The collateral has expired.',
    remedy: 'Refresh it.',
  },
  CollateralInvalid: {
    when: 'The collateral is malformed.',
    remedy: 'Fetch it again.',
  },
  CollateralMissing: {
    when: 'There is no collateral for the platform.',
    remedy: 'Make it available, or send it with the request.',
  },
  CollateralNotYetValid: {
    when: 'The collateral is not valid yet.',
    remedy: 'Set the clock.',
  },
  CollateralSignatureInvalid: {
    when: 'The collateral is not signed by its key.',
    remedy: 'Fetch it again.',
  },
  CrlExpired: {
    when: 'A revocation list has expired.',
    remedy: 'Refresh the collateral.',
  },
  CrlIssuerMismatch: {
    when: 'A revocation list is from another issuer.',
    remedy: 'Send the right one.',
  },
  CrlNotYetValid: {
    when: 'A revocation list is not valid yet.',
    remedy: 'Set the clock.',
  },
  CrlSignatureInvalid: {
    when: 'A revocation list is not signed by its issuer.',
    remedy: 'Fetch it again.',
  },
  Duplicate: {
    when: 'An element occurs twice that may occur only once.',
    remedy: 'Send it once.',
  },
  EndorsementInvalid: {
    when: 'An endorsement is not genuine.',
    remedy: 'Fetch it again.',
  },
  EventLogMismatch: {
    when: 'The event log does not replay to the PCR values.',
    remedy: 'Send the log of this boot.',
  },
  FmspcMismatch: {
    when: 'The collateral is for another kind of platform.',
    remedy: 'Fetch that of this platform.',
  },
  HostKeyMismatch: {
    when: 'The boot measured something other than one SSH host key.',
    remedy: 'Restart the VM; do not measure into PCR 15 before its agent.',
  },
  IdBlockSignatureInvalid: {
    when: 'The ID block is not signed by its key.',
    remedy: 'Sign it again.',
  },
  InvalidEncoding: {
    when: 'Text is not in its declared encoding.',
    remedy: 'Send it in that encoding.',
  },
  InvalidValue: {
    when: 'A value is outside what the specification allows.',
    remedy: 'Send the evidence unchanged.',
  },
  IssuerMismatch: {
    when: 'A certificate was not issued by the next one in the chain.',
    remedy: 'Send the chain in order.',
  },
  Missing: {
    when: 'A part that the specification requires is missing.',
    remedy: 'Send the complete evidence.',
  },
  NoTrustAnchors: {
    when: 'There are no trust roots.',
    remedy: 'Start the service with trust anchors.',
  },
  NonceMismatch: {
    when: 'The nonce differs.',
    remedy: 'Sign the statement over the given nonce.',
  },
  NotCanonical: {
    when: 'The encoding is not canonical.',
    remedy: 'Send the canonical encoding.',
  },
  PathTooLong: {
    when: 'A chain is longer than its certificates allow.',
    remedy: 'Send the vendor’s chain unchanged.',
  },
  PceIdMismatch: {
    when: 'The collateral is for another provisioning enclave.',
    remedy: 'Fetch that of this platform.',
  },
  PcrDigestMismatch: {
    when: 'The PCR values do not hash to the digest of the quote.',
    remedy: 'Send the values that were quoted.',
  },
  PcrSelectionMismatch: {
    when: 'The quote covers other PCRs.',
    remedy: 'Quote the requested ones.',
  },
  ProductMismatch: {
    when: 'Report and certificate belong to different products.',
    remedy: 'Send the certificate of this processor.',
  },
  QeIdentityMismatch: {
    when: 'The quoting enclave is not the one that Intel describes.',
    remedy: 'Update the platform software.',
  },
  QeReportDataMismatch: {
    when: 'The quoting enclave’s report does not bind the key of the quote.',
    remedy: 'Send the quote unchanged.',
  },
  QeReportSignatureInvalid: {
    when: 'The quoting enclave’s report is not signed by its key.',
    remedy: 'Send the quote unchanged.',
  },
  QeVendorMismatch: {
    when: 'The quote is from another vendor’s quoting enclave.',
    remedy: 'Use Intel’s.',
  },
  QuoteSignatureInvalid: {
    when: 'The quote is not signed by its key.',
    remedy: 'Send it unchanged.',
  },
  ReportMacInvalid: {
    when: 'The TD report was not made on this processor.',
    remedy: 'Make a new report on the processor that verifies it.',
  },
  ReportSignatureInvalid: {
    when: 'The report is not signed by its key.',
    remedy: 'Send it unchanged.',
  },
  ReservedNotZero: {
    when: 'A reserved field is not zero.',
    remedy: 'Send the evidence unchanged.',
  },
  RuleNotApplicable: {
    when: 'A member of the policy cannot apply to this kind of evidence.',
    remedy: 'Remove the member from the policy, or send evidence to which it applies.',
  },
  SigningKeyMismatch: {
    when: 'The report is signed by a different kind of key than its chain certifies.',
    remedy: 'Send the chain for that key.',
  },
  TcbMismatch: {
    when: 'Report and certificate, or collateral, have different security versions.',
    remedy: 'Fetch the certificate for the report’s versions.',
  },
  TdxModuleMismatch: {
    when: 'The TDX module is not one that Intel describes.',
    remedy: 'Update it.',
  },
  TokenAudienceMismatch: {
    when: 'The token is for another audience.',
    remedy: 'Request one for this audience.',
  },
  TokenClaimMissing: {
    when: 'The token lacks a claim.',
    remedy: 'Send a token that has it.',
  },
  TokenExpired: {
    when: 'The token has expired.',
    remedy: 'Request a new one.',
  },
  TokenIssuerMismatch: {
    when: 'The token is from another issuer.',
    remedy: 'Send a token of the expected issuer.',
  },
  TokenKeyNotAllowed: {
    when: 'The token’s key is not allowed to sign tokens.',
    remedy: 'Use a key that may.',
  },
  TokenKeyUnknown: {
    when: 'The token’s key does not belong to its issuer.',
    remedy: 'Send a token signed by the issuer.',
  },
  TokenNotYetValid: {
    when: 'The token is not valid yet.',
    remedy: 'Set the clock.',
  },
  TokenOfAnotherKind: {
    when: 'The token is of the wrong kind.',
    remedy: 'Send an attestation token.',
  },
  TokenSignatureInvalid: {
    when: 'The token is not signed by its key.',
    remedy: 'Send it unchanged.',
  },
  TooDeep: {
    when: 'The structure is nested deeper than any genuine one.',
    remedy: 'Send genuine evidence.',
  },
  TooLarge: {
    when: 'The structure is larger than any genuine one.',
    remedy: 'Send genuine evidence.',
  },
  TpmKeyNotAllowed: {
    when: 'The TPM key can sign data that the TPM did not create.',
    remedy: 'Use a restricted signing key.',
  },
  TpmMagicInvalid: {
    when: 'The TPM’s statement was not made by a TPM.',
    remedy: 'Send it unchanged.',
  },
  TpmSignatureInvalid: {
    when: 'The TPM’s statement is not signed by its key.',
    remedy: 'Send it unchanged.',
  },
  TpmTypeMismatch: {
    when: 'The TPM’s statement is of the wrong type.',
    remedy: 'Send the requested type.',
  },
  TrailingBytes: {
    when: 'Bytes follow the end of the structure.',
    remedy: 'Send the evidence unchanged.',
  },
  Truncated: {
    when: 'The structure is truncated.',
    remedy: 'Send the complete evidence.',
  },
  UnknownCriticalExtension: {
    when: 'A certificate has an unknown critical extension.',
    remedy: 'Use a newer Strongroom.',
  },
  UnknownType: {
    when: 'A type, algorithm, product or value is unknown.',
    remedy: 'Use a newer Strongroom.',
  },
  UnknownVersion: {
    when: 'A version is unknown.',
    remedy: 'Use a newer Strongroom.',
  },
  UntrustedRoot: {
    when: 'The chain ends at a root that this installation does not pin.',
    remedy: 'Send evidence from AMD’s, Intel’s or the installation’s own silicon.',
  },
  VariableNotAllowed: {
    when: 'A signed write would leave PK or KEK without a key.',
    remedy: 'Sign a write that leaves a key.',
  },
  VariableNotNewer: {
    when: 'A signed write of a Secure Boot variable is not later than the one before.',
    remedy: 'Sign it again with the time of now, or as an append.',
  },
  VariableSignatureInvalid: {
    when: 'The signature does not hold over this Secure Boot variable’s name, attributes, time and data.',
    remedy: 'Name the variable that the file was signed for.',
  },
  VariableSignerNotAllowed: {
    when: 'The key that signed is held by none of the variables above: KEK for db and dbx, PK for KEK and PK.',
    remedy: 'Sign with a key that the VM’s KEK or PK holds.',
  },
  VolumeMismatch: {
    when: 'PCR 15 belongs to another volume.',
    remedy: 'Boot the VM’s own disk. If your `strongroom vm rekey` was interrupted, repeat it.',
  },
  WrongLength: {
    when: 'A length is not allowed by the format.',
    remedy: 'Send the evidence unchanged.',
  },
  WrongMagic: {
    when: 'A magic number or tag is wrong.',
    remedy: 'Send evidence of the requested kind.',
  },
} as const
