/** An understood kind of disagreement between the judges: docs/proof/evidence.md explains each by name. */
export interface Disagreement {
  name: string
  /** What our verdict must be: `accepted`, or one of these codes. */
  ours: 'accepted' | readonly string[]
  /** The other judge's verdict: `accepted`, or an error like this. */
  theirs: 'accepted' | RegExp
  judge: 'go-sev-guest' | 'go-tdx-guest' | 'dcap-qvl'
  /** Only for the command over files: library calls must not differ so. */
  entry?: 'files'
  /** Only for these altered statements. */
  when?: (statement: Uint8Array) => boolean
}

export const disagreements: readonly Disagreement[] = [
  // We accept, the other refuses: each needs a reason outside what the evidence proves.
  {
    name: 'report-version-5',
    judge: 'go-sev-guest',
    ours: 'accepted',
    theirs: /^mbz range \[0x1f8:0x2a0\] not all zero/,
  },
  {
    name: 'tcb-level-is-an-outcome',
    judge: 'go-tdx-guest',
    ours: 'accepted',
    theirs: /failed TCB status check: (no matching TCB level found|.*OutOfDate)/,
  },
  { name: 'quote-version-5', judge: 'go-tdx-guest', ours: 'accepted', theirs: /quote format not supported/ },
  {
    name: 'fmspc-letter-case',
    judge: 'go-tdx-guest',
    ours: 'accepted',
    theirs:
      /^FMSPC from PCK Certificate\("(\w+)"\) is not equal to FMSPC value from Intel PCS's reported TDX TCB info\("\w+"\)/,
  },
  {
    name: 'chain-ends-with-nul',
    judge: 'go-tdx-guest',
    ours: 'accepted',
    theirs: /^incomplete PCK Certificate chain found, should contain 3 concatenated PEM-formatted/,
  },
  {
    name: 'chain-ends-with-white-space',
    judge: 'go-tdx-guest',
    ours: 'accepted',
    theirs: /^unexpected trailing bytes were found in PCK Certificate Chain: 1 byte\(s\)$/,
    when: (quote) => /-----END CERTIFICATE-----\n[ \t\r\n](?![\s\S]*-----)/.test(Buffer.from(quote).toString('latin1')),
  },
  { name: 'tcb-level-is-an-outcome', judge: 'dcap-qvl', ours: 'accepted', theirs: /^No matching TCB level found$/ },
  {
    name: 'blank-within-pem',
    judge: 'dcap-qvl',
    ours: 'accepted',
    theirs: /^Failed to verify certificate chain - leaf signature invalid$/,
    when: (quote) =>
      /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\r\n]*[ \t][A-Za-z0-9+/=\r\n \t]*-----END/.test(
        Buffer.from(quote).toString('latin1'),
      ),
  },
  {
    name: 'root-of-the-quote-serves-too',
    judge: 'go-tdx-guest',
    entry: 'files',
    ours: 'accepted',
    theirs: new RegExp(
      'unable to validate root certificate in the issuer chain|(could not parse PEM formatted|could not interpret ' +
        'DER bytes of) root certificate in "(Tcb-Info|Sgx-Enclave-Identity)-Issuer-Chain"|empty url found in ' +
        "(QeIdentity|tcbInfo) issuer's chain|(tcbInfo|QeIdentity) root certificate has expired",
    ),
  },
  {
    name: 'pem-around-the-signer',
    judge: 'go-tdx-guest',
    entry: 'files',
    ours: 'accepted',
    theirs: /could not parse PEM formatted signing certificate in "(Tcb-Info|Sgx-Enclave-Identity)-Issuer-Chain"/,
  },
  // We refuse, the other accepts: we are stricter.
  {
    name: 'endorsed-tcb-and-chip',
    judge: 'go-sev-guest',
    ours: ['TcbMismatch', 'ChipMismatch', 'ProductMismatch', 'SigningKeyMismatch', 'EndorsementInvalid'],
    theirs: 'accepted',
  },
  {
    name: 'altered-root-encoding',
    judge: 'go-sev-guest',
    entry: 'files',
    ours: ['InvalidValue', 'InvalidEncoding', 'NotCanonical', 'TrailingBytes'],
    theirs: 'accepted',
  },
  {
    name: 'text-in-one-form',
    judge: 'go-tdx-guest',
    entry: 'files',
    ours: ['unjudged', 'InvalidEncoding'],
    theirs: 'accepted',
  },
  { name: 'pem-of-another-kind', judge: 'go-tdx-guest', entry: 'files', ours: ['UnknownType'], theirs: 'accepted' },
  { name: 'certification-type', judge: 'dcap-qvl', entry: 'files', ours: ['UnknownType'], theirs: 'accepted' },
  {
    name: 'stepping-of-four-bits',
    judge: 'go-sev-guest',
    ours: ['ReportSignatureInvalid'],
    theirs: 'accepted',
    when: (report) => report[0x18a]! > 0x0f,
  },
  {
    name: 'piece-behind-the-quote',
    judge: 'go-tdx-guest',
    entry: 'files',
    ours: ['Truncated'],
    theirs: 'accepted',
    // DCAP, A.3: the length of the signature data, at 632, says where the quote ends.
    when: (quote) =>
      quote.length > 636 && 636 + new DataView(quote.buffer, quote.byteOffset).getUint32(632, true) < quote.length,
  },
  { name: 'report-length', judge: 'go-sev-guest', ours: ['WrongLength'], theirs: 'accepted' },
  {
    name: 'root-signs-itself',
    judge: 'go-sev-guest',
    ours: ['CertificateSignatureInvalid', 'IssuerMismatch'],
    theirs: 'accepted',
  },
  { name: 'crl-trailing-bytes', judge: 'go-tdx-guest', ours: ['TrailingBytes'], theirs: 'accepted' },
  { name: 'collateral-of-the-future', judge: 'go-tdx-guest', ours: ['CollateralNotYetValid'], theirs: 'accepted' },
  { name: 'crl-of-the-future', judge: 'go-tdx-guest', ours: ['CrlNotYetValid'], theirs: 'accepted' },
  {
    name: 'broken-certificates-skipped',
    judge: 'dcap-qvl',
    ours: ['InvalidEncoding', 'Truncated', 'TrailingBytes'],
    theirs: 'accepted',
  },
]

/** The rule that covers a difference; undefined if none does. @param entry as `Disagreement.entry` */
export function explanationOf(
  found: { judge: Disagreement['judge']; ours: string; theirs: { ok: boolean; error?: string }; statement: Uint8Array },
  entry?: 'files',
): Disagreement | undefined {
  const { ours, theirs, statement } = found
  return disagreements.find(
    (each) =>
      each.judge === found.judge &&
      (each.entry === undefined || each.entry === entry) &&
      (each.ours === 'accepted' ? ours === 'accepted' : each.ours.includes(ours)) &&
      (each.theirs === 'accepted' ? theirs.ok : !theirs.ok && each.theirs.test(theirs.error ?? '')) &&
      (each.when === undefined || each.when(statement)),
  )
}
