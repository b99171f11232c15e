/**
 * Every check of this package by its stable id: what it proves when it passes, and the source of the rule.
 * SNP: AMD 56860 (SNP firmware ABI), 57230 (VCEK certificate). TDX: Intel TDX module ABI, DCAP quote generation and
 * verification, PCS API 4. TPM: TCG TPM 2.0 Library, PC Client Platform Firmware Profile (PFP).
 * @example
 * import { checkCatalogue } from '@strongroom/evidence'
 *
 * checkCatalogue['snp.signature'].shows // => 'The report is signed by the endorsed key'
 */
export const checkCatalogue = {
  evidence: { shows: 'All evidence that was given holds', source: '' },
  'file.kind': { shows: 'The file is evidence of a known kind', source: '' },
  'file.used': { shows: 'Input belongs to the evidence', source: '' },
  'policy.used': { shows: 'What the policy asks for is there to be judged', source: '' },

  snp: { shows: 'A secure processor under a pinned root made the SNP report', source: '' },
  'snp.format': { shows: 'The report has one of the forms that AMD defines', source: 'AMD 56860, ATTESTATION_REPORT' },
  'snp.chain.format': { shows: 'The three certificates can be read', source: 'RFC 5280, 4.1; X.690, DER' },
  'snp.chain.path': {
    shows: 'The key’s chain ends at a pinned root and is valid at the time',
    source: 'RFC 5280, 6.1; AMD 57230, certificate chain',
  },
  'snp.chain.revocation': { shows: 'The root has revoked no certificate of the chain', source: 'RFC 5280, 6.3' },
  'snp.endorsement': {
    shows: 'The signing key’s certificate says of which chip or provider and of which versions it is',
    source: 'AMD 57230, X.509 extensions',
  },
  'snp.chain.product': {
    shows: 'Key, intermediate and root are of one product line',
    source: 'AMD 57230, certificate chain',
  },
  'snp.signingKey': {
    shows: 'The report names the kind of key that its certificate is for',
    source: 'AMD 56860, SIGNING_KEY',
  },
  'snp.product': {
    shows: 'The processor that the report names is of the key’s product line',
    source: 'AMD 56860, CPUID_FAM_ID',
  },
  'snp.tcb': {
    shows: 'The reported security versions are those that the key stands for',
    source: 'AMD 56860, REPORTED_TCB',
  },
  'snp.committed': { shows: 'What runs is not older than what is committed', source: 'AMD 56860, SNP_COMMIT' },
  'snp.chip': { shows: 'The report is of the chip or the provider whose key signed it', source: 'AMD 56860, CHIP_ID' },
  'snp.signature': { shows: 'The report is signed by the endorsed key', source: 'AMD 56860, report signature' },
  'snp.verifier': { shows: 'The verifier as a whole takes the report', source: '' },
  'snp.policy': { shows: 'The report is what the policy wants', source: 'AMD 56860, GUEST_POLICY and report fields' },

  tdx: { shows: 'A processor under a pinned root quoted the TD', source: '' },
  'tdx.format': { shows: 'The quote has one of the forms that Intel defines', source: 'DCAP, appendix A.3 and A.4' },
  'tdx.vendor': { shows: 'Intel’s quoting enclave made the quote', source: 'DCAP, A.3.1, QE vendor id' },
  'tdx.pck.format': {
    shows: 'The quote’s certificate chain is at hand and can be read',
    source: 'DCAP, A.3.9, certification data 1 to 5',
  },
  'tdx.pck.path': {
    shows: 'The chain ends at a pinned root and is valid at the time',
    source: 'RFC 5280, 6.1',
  },
  'tdx.pck.extension': {
    shows: 'The certificate names its platform and versions',
    source: 'Intel PCK certificate, SGX extension',
  },
  'tdx.pck.named': {
    shows: 'The certificate is the one that the quote names',
    source: 'DCAP, A.3.9, certification data 1 to 3',
  },
  'tdx.qe.signature': { shows: 'The quoting enclave’s report is signed by the platform’s key', source: 'DCAP, A.3.8' },
  'tdx.qe.binding': {
    shows: 'The quoting enclave vouches for the attestation key',
    source: 'DCAP, A.3.8, QE report data',
  },
  'tdx.signature': { shows: 'The quote is signed by the attestation key', source: 'DCAP, A.3.8' },
  'tdx.crl.root': { shows: 'The root’s revocation list is genuine and of this time', source: 'RFC 5280, 6.3' },
  'tdx.crl.pck': { shows: 'The PCK authority’s revocation list is genuine and of this time', source: 'RFC 5280, 6.3' },
  'tdx.pck.revocation': { shows: 'No authority has revoked a certificate of the chain', source: 'RFC 5280, 6.3' },
  'tdx.tcbInfo.signature': { shows: 'TCB info is as Intel signed it', source: 'PCS API 4, Get TDX TCB Info' },
  'tdx.tcbInfo.time': { shows: 'TCB info is of this time', source: 'PCS API 4, issueDate and nextUpdate' },
  'tdx.tcbInfo.platform': { shows: 'TCB info is of the platform’s kind', source: 'PCS API 4, fmspc and pceId' },
  'tdx.qeIdentity.signature': {
    shows: 'The enclave identity is as Intel signed it',
    source: 'PCS API 4, Get QE Identity',
  },
  'tdx.qeIdentity.time': {
    shows: 'The enclave identity is of this time',
    source: 'PCS API 4, issueDate and nextUpdate',
  },
  'tdx.module': { shows: 'The TDX module is one of Intel’s', source: 'PCS API 4, tdxModuleIdentities' },
  'tdx.platform': { shows: 'The platform’s versions have a status', source: 'PCS API 4, tcbLevels' },
  'tdx.qe.identity': { shows: 'The quoting enclave is the one that Intel names', source: 'PCS API 4, enclaveIdentity' },
  'tdx.verifier': { shows: 'The verifier as a whole takes the quote', source: '' },
  'tdx.policy': {
    shows: 'The quote is what the policy wants',
    source: 'TDX module ABI, TDATTRIBUTES; PCS API 4, tcbStatus',
  },

  tdReport: { shows: 'The TDREPORT is of the TD that the quote vouches for', source: '' },
  'tdReport.format': { shows: 'The TDREPORT can be read', source: 'TDX module ABI, TDREPORT_STRUCT' },
  'tdReport.hashes': {
    shows: 'Its parts are those that its MAC structure names',
    source: 'TDX module ABI, REPORTMACSTRUCT',
  },
  'tdReport.quoted': {
    shows: 'A quote vouches for the same TD and the same report data',
    source: 'TDX module ABI, TDREPORT_STRUCT',
  },

  'tdReport.sibling': {
    shows: 'A quote is of the same TD, and the claims that it binds name the same attestation key',
    source: 'TDX module ABI, TDREPORT_STRUCT; OpenVMM, HCLAkPub',
  },

  hcl: { shows: 'The paravisor’s report is bound to the hardware', source: '' },
  'hcl.format': { shows: 'The report has the paravisor’s form', source: 'OpenVMM, igvm_attest/get.rs' },
  'hcl.binding': { shows: 'The hardware’s report data are the digest of the claims', source: 'OpenVMM, igvm_attest' },
  'hcl.claims': { shows: 'The claims can be read in one way only', source: 'OpenVMM, runtime_claims' },
  'hcl.key': { shows: 'The claims name one attestation key', source: 'OpenVMM, HCLAkPub' },
  'hcl.samekey': { shows: 'The TPM’s attestation key is the one in the claims', source: 'OpenVMM, HCLAkPub' },
  'hcl.policy': { shows: 'The claims are what the policy wants', source: 'OpenVMM, vm-configuration' },

  claims: { shows: 'The paravisor’s claims are bound to the hardware', source: '' },
  'claims.format': { shows: 'The claims can be read in one way only', source: 'OpenVMM, runtime_claims' },
  'claims.binding': {
    shows: 'A hardware report’s data are the digest of the claims',
    source: 'OpenVMM, igvm_attest',
  },
  'claims.key': {
    shows: 'The claims and the paravisor’s report name one attestation key',
    source: 'OpenVMM, HCLAkPub',
  },
  'claims.policy': { shows: 'The claims are what the policy wants', source: 'OpenVMM, vm-configuration' },

  azure: { shows: 'Hardware, claims, attestation key and registers are of one machine', source: '' },

  tpm: { shows: 'Whoever holds the attestation key signed this', source: '' },
  'tpm.key': { shows: 'The key has the attributes of an attestation key', source: 'TPM 2.0 part 2, 8.3, restricted' },
  'tpm.binding': {
    shows: 'Hardware, a pinned root or the policy endorses the key',
    source: 'OpenVMM, HCLAkPub; RFC 5280, 6.1',
  },
  'tpm.signature': { shows: 'The statement is signed by the attestation key', source: 'TPM 2.0 part 3, 18.4' },
  'tpm.format': { shows: 'The statement has the form of a TPM’s quote', source: 'TPM 2.0 part 2, 10.12' },
  'tpm.nonce': { shows: 'The quote answers the verifier’s challenge', source: 'TPM 2.0 part 2, 10.12.12, extraData' },
  'tpm.registers': { shows: 'The registers shown are the ones quoted', source: 'TPM 2.0 part 2, 10.12.1, pcrDigest' },
  'tpm.created': { shows: 'The statement is about a key that was given', source: 'TPM 2.0 part 3, 18.3' },
  'tpm.expected': { shows: 'The registers have the expected values', source: 'PFP, 3.3.4' },

  log: { shows: 'The event log says what was measured', source: '' },
  'log.format': { shows: 'The log can be read whole', source: 'PFP, 10' },
  'log.data': {
    shows: 'No record shows other data than its digest is of, where its kind promises so',
    source: 'PFP, 10.4.1',
  },
  'log.replay': { shows: 'The log replays to the quoted registers', source: 'PFP, 10.2; TDX: UEFI 2.10, 38.4' },
  'log.claims': {
    shows: 'What is said of the boot is covered by quoted registers',
    source: 'PFP, 3.3.4 and 10.4.2; systemd-stub(7)',
  },
  'log.policy': { shows: 'The boot is what the policy wants', source: 'PFP, 3.3.4' },

  token: { shows: 'A key that was given signed the token, and it is valid at the time', source: '' },
  'token.format': { shows: 'The token can be read in one way only', source: 'RFC 7515, 7.1; RFC 8725, 2.4' },
  'token.algorithm': { shows: 'The token is signed by an allowed algorithm', source: 'RFC 8725, 3.1' },
  'token.key': {
    shows: 'One given key has the token’s name and is for this use',
    source: 'RFC 7517, 4; RFC 8725, 3.5',
  },
  'token.pinned': {
    shows: 'The policy names the token’s key, or the root of its certificates',
    source: 'RFC 7517, 4.7; RFC 5280, 6.1',
  },
  'token.signature': { shows: 'The token is signed by that key', source: 'RFC 7515, 5.2' },
  'token.kind': {
    shows: 'The token is over evidence, or about policies where that is asked for',
    source: 'RFC 8725, 3.11',
  },
  'token.issuer': { shows: 'The token is by the expected issuer', source: 'RFC 7519, 4.1.1; RFC 8725, 3.8' },
  'token.statedIssuer': { shows: 'The token names its issuer; none was expected', source: 'RFC 7519, 4.1.1' },
  'token.time': { shows: 'The token is of this time', source: 'RFC 7519, 4.1.4 to 4.1.6' },
  'token.evidence': {
    shows: 'The token is about a hardware report that was given',
    source: 'Azure Attestation, x-ms-sevsnpvm-reportdata, tdx_report_data',
  },
  'token.bundle': { shows: 'Tokens of one bundle name each other', source: 'RFC 9711, 4.2.18' },
  'token.result': {
    shows: 'The service found the evidence good',
    source: 'NVIDIA NRAS and Intel Trust Authority, claims',
  },
  'token.guest': {
    shows: 'The guest cannot be debugged or migrated, its TCB is up to date, and it meets the service’s policies',
    source: 'Azure Attestation, claim sets; RFC 9711, 4.2.9',
  },
  'token.claims': { shows: 'The claims are what the policy wants', source: 'Azure Attestation, claim sets' },

  nitro: { shows: 'A Nitro hypervisor states this of an enclave or instance', source: '' },
  'nitro.format': { shows: 'The document can be read in one way only', source: 'AWS, attestation document; RFC 8949' },
  'nitro.path': { shows: 'The certificates end at a pinned root of AWS', source: 'RFC 5280, 6.1' },
  'nitro.signature': { shows: 'The document is signed by the certified key', source: 'RFC 9052, 4.4' },
  'nitro.policy': { shows: 'The document is what the policy wants', source: 'AWS, attestation document' },

  cca: { shows: 'Whoever holds the platform’s key states this of a realm', source: '' },
  'cca.format': { shows: 'The tokens can be read in one way only', source: 'RMM, A.7; RFC 8949' },
  'cca.platform': { shows: 'The platform’s token is signed by a key that was given', source: 'RFC 9052, 4.4' },
  'cca.endorsement': { shows: 'The policy names the platform’s key', source: 'RMM, A.7' },
  'cca.binding': { shows: 'The platform vouches for the realm’s key', source: 'RMM, A.7.2' },
  'cca.realm': { shows: 'The realm’s token is signed by that key', source: 'RFC 9052, 4.4' },
  'cca.nonce': { shows: 'The realm answers the verifier’s challenge', source: 'RMM, A.7.2' },
  'cca.policy': { shows: 'The platform cannot be debugged', source: 'RMM, A.7.2, lifecycle' },

  svsm: { shows: 'An SVSM states which services it has', source: '' },
  'svsm.format': { shows: 'The manifest can be read whole', source: 'AMD 58019, table 12' },
  'svsm.binding': { shows: 'A report of privilege level 0 binds manifest and challenge', source: 'AMD 58019, 7' },

  'image.measurements': { shows: 'What the image measures is signed by a pinned key', source: 'RFC 7515, 5.2' },

  release: { shows: 'The vault says which key it released, and for whom', source: '' },
  'release.format': { shows: 'The answer can be read and brings its certificates', source: 'RFC 7515, 4.1.6' },
  'release.signer': { shows: 'The certificates end at a pinned root and are the vault’s', source: 'RFC 5280, 6.1' },
  'release.signature': { shows: 'The answer is signed by the vault', source: 'RFC 7515, 5.2' },
  'release.answer': { shows: 'The answer names key, policy and wrapping', source: 'Key Vault, Release' },

  certificates: { shows: 'The certificates form a chain to a pinned root', source: '' },
  'certificates.format': { shows: 'The certificates can be read', source: 'RFC 5280, 4.1; X.690, DER' },
  'certificates.path': { shows: 'The chain ends at a pinned root and is valid at the time', source: 'RFC 5280, 6.1' },
  'certificates.endorsement': {
    shows: 'The key’s certificate says what AMD says of its keys',
    source: 'AMD 57230, X.509 extensions',
  },

  crl: { shows: 'The revocation list is genuine', source: '' },
  'crl.format': { shows: 'The list can be read', source: 'RFC 5280, 5.1' },
  'crl.signature': {
    shows: 'Its issuer, under a pinned root, signed it, and it is of this time',
    source: 'RFC 5280, 6.3',
  },

  collateral: { shows: 'What Intel’s service said is genuine', source: '' },
  'collateral.format': { shows: 'The text has the form that Intel signs', source: 'PCS API 4' },
  'collateral.signature': { shows: 'Intel signed the text', source: 'PCS API 4' },
  'collateral.revocation': { shows: 'Intel has not revoked the signer’s certificate', source: 'RFC 5280, 6.3' },
  'collateral.time': { shows: 'The text is of this time', source: 'PCS API 4, issueDate and nextUpdate' },
} as const

export type CheckId = keyof typeof checkCatalogue
