import { productOfCpu } from '../../snp/products.ts'
import type { SnpReport } from '../../snp/report.ts'
import { decodeTcb, describeTcb } from '../../snp/tcb.ts'
import { bytesText, type Field, hexNumber, yesNo } from './field.ts'
import { attempt } from '../pieces/pool.ts'

/** AMD's name of each field, so that it can be looked up (AMD 56860, ATTESTATION_REPORT, GUEST_POLICY, PLATFORM_INFO). */
const amdNames = {
  version: 'VERSION',
  guestSvn: 'GUEST_SVN',
  policy: 'POLICY',
  'policy.abi': 'ABI_MAJOR, ABI_MINOR',
  'policy.smtAllowed': 'SMT',
  'policy.migrationAgentAllowed': 'MIGRATE_MA',
  'policy.debugAllowed': 'DEBUG',
  'policy.singleSocketRequired': 'SINGLE_SOCKET',
  'policy.cxlAllowed': 'CXL_ALLOW',
  'policy.aes256XtsRequired': 'MEM_AES_256_XTS',
  'policy.raplDisabledRequired': 'RAPL_DIS',
  'policy.ciphertextHidingRequired': 'CIPHERTEXT_HIDING_DRAM',
  'policy.pageSwapDisabled': 'PAGE_SWAP_DISABLE',
  familyId: 'FAMILY_ID',
  imageId: 'IMAGE_ID',
  vmpl: 'VMPL',
  signatureAlgorithm: 'SIGNATURE_ALGO',
  currentTcb: 'CURRENT_TCB',
  platformInfo: 'PLATFORM_INFO',
  'platformInfo.smtEnabled': 'SMT_EN',
  'platformInfo.tsmeEnabled': 'TSME_EN',
  'platformInfo.eccEnabled': 'ECC_EN',
  'platformInfo.raplDisabled': 'RAPL_DIS',
  'platformInfo.ciphertextHidingEnabled': 'CIPHERTEXT_HIDING_DRAM_EN',
  'platformInfo.aliasCheckComplete': 'ALIAS_CHECK_COMPLETE',
  'platformInfo.tioEnabled': 'TIO_EN',
  authorKeyEnabled: 'AUTHOR_KEY_EN',
  chipKeyMasked: 'MASK_CHIP_KEY',
  signingKey: 'SIGNING_KEY',
  reportData: 'REPORT_DATA',
  measurement: 'MEASUREMENT',
  hostData: 'HOST_DATA',
  idKeyDigest: 'ID_KEY_DIGEST',
  authorKeyDigest: 'AUTHOR_KEY_DIGEST',
  reportId: 'REPORT_ID',
  reportIdMa: 'REPORT_ID_MA',
  reportedTcb: 'REPORTED_TCB',
  cpu: 'CPUID_FAM_ID, CPUID_MOD_ID, CPUID_STEP',
  chipId: 'CHIP_ID',
  committedTcb: 'COMMITTED_TCB',
  currentVersion: 'CURRENT_MAJOR, CURRENT_MINOR, CURRENT_BUILD',
  committedVersion: 'COMMITTED_MAJOR, COMMITTED_MINOR, COMMITTED_BUILD',
  launchTcb: 'LAUNCH_TCB',
  launchMitigations: 'LAUNCH_MIT_VECTOR',
  currentMitigations: 'CURRENT_MIT_VECTOR',
  'signature.r': 'SIGNATURE, R',
  'signature.s': 'SIGNATURE, S',
} as const

export function explainSnp(report: SnpReport): Field[] {
  const { policy, platformInfo, cpu } = report
  const product = (cpu === undefined ? undefined : productOfCpu(cpu)) ?? 'Milan'
  const tcb = (raw: bigint): string => {
    const decoded = attempt(() => decodeTcb(raw, product))
    return `${raw.toString(16).padStart(16, '0')}${decoded === undefined ? '' : ` (${describeTcb(decoded)})`}`
  }
  const version = (v: { major: number; minor: number; build: number }): string => `${v.major}.${v.minor}.${v.build}`
  const rows: [keyof typeof amdNames, string, string][] = [
    ['version', `${report.version}`, 'Layout of the report'],
    ['guestSvn', `${report.guestSvn}`, 'Security version that the guest’s ID block states'],
    ['policy', hexNumber(policy.raw), 'What the guest’s owner demanded at launch'],
    ['policy.abi', `${policy.abiMajor}.${policy.abiMinor}`, 'Lowest firmware ABI under which the guest runs'],
    ['policy.smtAllowed', yesNo(policy.smtAllowed), 'The guest may share a core with another thread'],
    [
      'policy.migrationAgentAllowed',
      yesNo(policy.migrationAgentAllowed),
      'A migration agent may take the guest’s memory elsewhere',
    ],
    [
      'policy.debugAllowed',
      yesNo(policy.debugAllowed),
      'The host may read and write the guest’s memory: nothing is confidential',
    ],
    ['policy.singleSocketRequired', yesNo(policy.singleSocketRequired), 'The guest may run on one socket only'],
    ['policy.cxlAllowed', yesNo(policy.cxlAllowed), 'CXL devices and memory may be used'],
    ['policy.aes256XtsRequired', yesNo(policy.aes256XtsRequired), 'Memory must be encrypted by AES-256-XTS'],
    ['policy.raplDisabledRequired', yesNo(policy.raplDisabledRequired), 'Power metering, a side channel, must be off'],
    [
      'policy.ciphertextHidingRequired',
      yesNo(policy.ciphertextHidingRequired),
      'The host must not see ciphertext of guest memory',
    ],
    ['policy.pageSwapDisabled', yesNo(policy.pageSwapDisabled), 'The host must not swap the guest’s pages'],
    ['familyId', bytesText(report.familyId), 'Family of the image, from the ID block: the owner’s word'],
    ['imageId', bytesText(report.imageId), 'Image, from the ID block: the owner’s word'],
    ['vmpl', `${report.vmpl}`, 'Privilege level that asked for the report; 0 is the highest'],
    ['signatureAlgorithm', '1', 'ECDSA P-384 with SHA-384, the only one'],
    ['currentTcb', tcb(report.currentTcb), 'Versions that run now'],
    ['platformInfo', hexNumber(platformInfo.raw), 'How the host runs'],
    ['platformInfo.smtEnabled', yesNo(platformInfo.smtEnabled), 'Cores run two threads'],
    ['platformInfo.tsmeEnabled', yesNo(platformInfo.tsmeEnabled), 'All memory of the host is encrypted'],
    ['platformInfo.eccEnabled', yesNo(platformInfo.eccEnabled), 'Memory corrects errors'],
    ['platformInfo.raplDisabled', yesNo(platformInfo.raplDisabled), 'Power metering is off'],
    [
      'platformInfo.ciphertextHidingEnabled',
      yesNo(platformInfo.ciphertextHidingEnabled),
      'Ciphertext of guests is hidden from the host',
    ],
    [
      'platformInfo.aliasCheckComplete',
      yesNo(platformInfo.aliasCheckComplete),
      'Memory was checked for aliased addresses (BadRAM)',
    ],
    ['platformInfo.tioEnabled', yesNo(platformInfo.tioEnabled), 'Trusted devices may be assigned to guests (SEV-TIO)'],
    ['authorKeyEnabled', yesNo(report.authorKeyEnabled), 'An author key signed the ID key'],
    [
      'chipKeyMasked',
      yesNo(report.chipKeyMasked),
      'The firmware does not sign reports with the chip’s key; their signature is zero',
    ],
    ['signingKey', report.signingKey, 'VCEK: of this chip. VLEK: of the cloud provider’s load'],
    ['reportData', bytesText(report.reportData), 'What the guest had bound: a nonce, a key, a digest of claims'],
    ['measurement', bytesText(report.measurement), 'Launch digest: firmware, its pages and vCPU state'],
    ['hostData', bytesText(report.hostData), 'What the host gave at launch, for example a policy’s digest'],
    ['idKeyDigest', bytesText(report.idKeyDigest), 'SHA-384 of the key that signed the ID block'],
    ['authorKeyDigest', bytesText(report.authorKeyDigest), 'SHA-384 of the key that signed the ID key'],
    ['reportId', bytesText(report.reportId), 'This guest, for as long as it lives'],
    ['reportIdMa', bytesText(report.reportIdMa), 'Its migration agent; all ones for none'],
    ['reportedTcb', tcb(report.reportedTcb), 'Versions for which the signing key stands; the host may lower them'],
    [
      'cpu',
      cpu === undefined
        ? 'not in this version'
        : `family ${cpu.family}, model ${cpu.model}, stepping ${cpu.stepping} (${product})`,
      'Processor',
    ],
    ['chipId', bytesText(report.chipId), 'This chip; zero where the host sets MASK_CHIP_ID'],
    ['committedTcb', tcb(report.committedTcb), 'Lowest versions to which the host can go back'],
    ['currentVersion', version(report.currentVersion), 'SNP firmware that runs now'],
    ['committedVersion', version(report.committedVersion), 'SNP firmware that cannot be undercut'],
    ['launchTcb', tcb(report.launchTcb), 'Versions at the guest’s launch'],
    [
      'launchMitigations',
      report.launchMitigations === undefined ? 'not in this version' : hexNumber(report.launchMitigations),
      'Mitigations verified when the guest was launched, a bit each',
    ],
    [
      'currentMitigations',
      report.currentMitigations === undefined ? 'not in this version' : hexNumber(report.currentMitigations),
      'Mitigations verified now, a bit each',
    ],
    [
      'signature.r',
      bytesText(report.signatureR),
      'ECDSA P-384 with SHA-384 over the first 672 bytes; least significant byte first',
    ],
    ['signature.s', bytesText(report.signatureS), 'Second half of the signature'],
  ]
  return rows.map(([name, value, meaning]) => ({ name, value, meaning: `${amdNames[name]}: ${meaning}` }))
}
