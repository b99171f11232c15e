import { toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import type { CpuIdentity } from './products.ts'

/**
 * Bytes of ATTESTATION_REPORT.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { snpReportLength } from '@strongroom/evidence'
 *
 * const report = await readFile('report.bin')
 * report.length === snpReportLength // => true
 */
export const snpReportLength = 1184
/**
 * Bytes that the signature covers.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { concat, parseCertificate, reversed, snpSignedLength, verifyRawEcdsa } from '@strongroom/evidence'
 *
 * const report = await readFile('report.bin')
 * const { publicKey } = parseCertificate(await readFile('vcek.der'))
 * if (publicKey.kind !== 'EC') throw new Error('an EC key is expected')
 * const [r, s] = [0x2a0, 0x2e8].map((at) => reversed(report.subarray(at, at + 48)))
 * const signature = concat(r ?? new Uint8Array(), s ?? new Uint8Array())
 * await verifyRawEcdsa({ key: publicKey, hash: 'SHA-384', signature, data: report.subarray(0, snpSignedLength) }) // => true
 */
export const snpSignedLength = 0x2a0

/** GUEST_POLICY: what the guest's owner required at launch. */
export interface SnpGuestPolicy {
  raw: bigint
  abiMajor: number
  abiMinor: number
  smtAllowed: boolean
  migrationAgentAllowed: boolean
  debugAllowed: boolean
  singleSocketRequired: boolean
  cxlAllowed: boolean
  aes256XtsRequired: boolean
  raplDisabledRequired: boolean
  ciphertextHidingRequired: boolean
  pageSwapDisabled: boolean
}

/** PLATFORM_INFO: how the host runs. */
export interface SnpPlatformInfo {
  raw: bigint
  smtEnabled: boolean
  tsmeEnabled: boolean
  eccEnabled: boolean
  raplDisabled: boolean
  ciphertextHidingEnabled: boolean
  aliasCheckComplete: boolean
  tioEnabled: boolean
}

export interface SnpFirmwareVersion {
  major: number
  minor: number
  build: number
}

/** Key that signed: the chip's, the one a cloud provider loaded, or none. */
export type SnpSigningKey = 'VCEK' | 'VLEK' | 'None'

/** ATTESTATION_REPORT of the SNP ABI specification (AMD 56860), versions 2 to 5. */
export interface SnpReport {
  /** Never an identity: a signature can be rewritten in a second valid form. `reportId` and `signed` are stable. */
  raw: Uint8Array
  /** The bytes that the signature covers. */
  signed: Uint8Array
  version: 2 | 3 | 4 | 5
  guestSvn: number
  policy: SnpGuestPolicy
  familyId: Uint8Array
  imageId: Uint8Array
  vmpl: number
  /** Raw TCB versions: their layout depends on the product, see `decodeTcb`. */
  currentTcb: bigint
  reportedTcb: bigint
  committedTcb: bigint
  launchTcb: bigint
  platformInfo: SnpPlatformInfo
  authorKeyEnabled: boolean
  /** MASK_CHIP_KEY: the firmware does not sign reports with the chip's key. MASK_CHIP_ID, which hides the chip, shows as a zero chip id. */
  chipKeyMasked: boolean
  signingKey: SnpSigningKey
  reportData: Uint8Array
  measurement: Uint8Array
  hostData: Uint8Array
  idKeyDigest: Uint8Array
  authorKeyDigest: Uint8Array
  reportId: Uint8Array
  /** All bytes 0xFF if there is no migration agent. */
  reportIdMa: Uint8Array
  /** From version 3. */
  cpu: CpuIdentity | undefined
  chipId: Uint8Array
  currentVersion: SnpFirmwareVersion
  committedVersion: SnpFirmwareVersion
  /** LAUNCH_MIT_VECTOR and CURRENT_MIT_VECTOR, from version 5. */
  launchMitigations: bigint | undefined
  currentMitigations: bigint | undefined
  /** r and s, 48 bytes each, least significant byte first. */
  signatureR: Uint8Array
  signatureS: Uint8Array
}

/** Offsets of ATTESTATION_REPORT (AMD 56860, table "ATTESTATION_REPORT structure"). */
const at = {
  version: 0x00,
  guestSvn: 0x04,
  policy: 0x08,
  familyId: 0x10,
  imageId: 0x20,
  vmpl: 0x30,
  algorithm: 0x34,
  currentTcb: 0x38,
  platformInfo: 0x40,
  keyFlags: 0x48,
  reportData: 0x50,
  measurement: 0x90,
  hostData: 0xc0,
  idKeyDigest: 0xe0,
  authorKeyDigest: 0x110,
  reportId: 0x140,
  reportIdMa: 0x160,
  reportedTcb: 0x180,
  /** From version 3. */
  cpu: 0x188,
  chipId: 0x1a0,
  committedTcb: 0x1e0,
  currentVersion: 0x1e8,
  committedVersion: 0x1ec,
  launchTcb: 0x1f0,
  /** From version 5: at launch, then now. */
  mitigations: 0x1f8,
  signatureR: snpSignedLength,
  signatureS: snpSignedLength + 72,
} as const

/**
 * Reads a report of exactly 1184 bytes. @throws ParseError WrongLength, UnknownVersion, UnknownType, ReservedNotZero
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpReport, toHex } from '@strongroom/evidence'
 *
 * const report = parseSnpReport(await readFile('report.bin'))
 * report.version // => 2
 * report.policy.debugAllowed // => false
 * toHex(report.measurement).slice(0, 16) // => 'a1f3930413247bb3'
 * parseSnpReport(new Uint8Array(1184)) // throws ParseError UnknownVersion
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== snpReportLength) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'SNP report has another length',
      expected: `${snpReportLength} bytes`,
      found: `${bytes.length} bytes`,
    })
  }
  // Copied, so that what was checked is what is used, even if the caller changes its buffer.
  const raw = new Uint8Array(bytes)
  const view = new DataView(raw.buffer)
  const version = view.getUint32(at.version, true)
  if (version !== 2 && version !== 3 && version !== 4 && version !== 5) {
    const facts = { offset: at.version, expected: '2 to 5', found: `${version}` }
    throw new ParseError({ code: 'UnknownVersion', message: 'SNP report has a version that is not known', ...facts })
  }
  const algorithm = view.getUint32(at.algorithm, true)
  if (algorithm !== 1) {
    const facts = { offset: at.algorithm, expected: '1 (ECDSA P-384 with SHA-384)', found: `${algorithm}` }
    throw new ParseError({ code: 'UnknownType', message: 'SNP report has another signature algorithm', ...facts })
  }
  if (((view.getUint32(at.policy, true) >>> 17) & 1) !== 1) {
    const facts = { offset: at.policy, expected: 'bit 17 is 1', found: 'bit 17 is 0' }
    throw new ParseError({ code: 'InvalidValue', message: 'SNP report: reserved bit of the guest policy', ...facts })
  }
  const { authorKeyEnabled, chipKeyMasked, signingKey } = readKeyFlags(view.getUint32(at.keyFlags, true))
  requireZero(raw, view, at.keyFlags + 4, at.reportData, 'after key information')
  requireZero(raw, view, version >= 3 ? at.cpu + 3 : at.cpu, at.chipId, 'before the chip id')
  requireZero(raw, view, at.currentVersion + 3, at.committedVersion, 'after current version')
  requireZero(raw, view, at.committedVersion + 3, at.launchTcb, 'after committed version')
  requireZero(raw, view, version >= 5 ? at.mitigations + 16 : at.mitigations, at.signatureR, 'before the signature')
  requireZero(raw, view, at.signatureR + 48, at.signatureS, 'padding of signature r')
  requireZero(raw, view, at.signatureS + 48, snpReportLength, 'after signature s')
  return {
    raw,
    signed: raw.subarray(0, snpSignedLength),
    version,
    guestSvn: view.getUint32(at.guestSvn, true),
    policy: readPolicy(view.getBigUint64(at.policy, true), view.getUint32(at.policy, true)),
    familyId: raw.subarray(at.familyId, at.imageId),
    imageId: raw.subarray(at.imageId, at.vmpl),
    vmpl: view.getUint32(at.vmpl, true),
    currentTcb: view.getBigUint64(at.currentTcb, true),
    reportedTcb: view.getBigUint64(at.reportedTcb, true),
    committedTcb: view.getBigUint64(at.committedTcb, true),
    launchTcb: view.getBigUint64(at.launchTcb, true),
    platformInfo: readPlatformInfo(view.getBigUint64(at.platformInfo, true), view.getUint32(at.platformInfo, true)),
    authorKeyEnabled,
    chipKeyMasked,
    signingKey,
    reportData: raw.subarray(at.reportData, at.measurement),
    measurement: raw.subarray(at.measurement, at.hostData),
    hostData: raw.subarray(at.hostData, at.idKeyDigest),
    idKeyDigest: raw.subarray(at.idKeyDigest, at.authorKeyDigest),
    authorKeyDigest: raw.subarray(at.authorKeyDigest, at.reportId),
    reportId: raw.subarray(at.reportId, at.reportIdMa),
    reportIdMa: raw.subarray(at.reportIdMa, at.reportedTcb),
    cpu:
      version >= 3
        ? { family: byte(raw, at.cpu), model: byte(raw, at.cpu + 1), stepping: byte(raw, at.cpu + 2) }
        : undefined,
    chipId: raw.subarray(at.chipId, at.committedTcb),
    currentVersion: readVersion(raw, at.currentVersion),
    committedVersion: readVersion(raw, at.committedVersion),
    launchMitigations: version >= 5 ? view.getBigUint64(at.mitigations, true) : undefined,
    currentMitigations: version >= 5 ? view.getBigUint64(at.mitigations + 8, true) : undefined,
    signatureR: raw.subarray(at.signatureR, at.signatureR + 48),
    signatureS: raw.subarray(at.signatureS, at.signatureS + 48),
  }
}

/** Reserved bytes must be zero: a later version may give a meaning to signed bytes that this one ignores. */
function requireZero(raw: Uint8Array, view: DataView, from: number, to: number, field: string): void {
  let offset = from
  // Four bytes at a time, then one by one: more than half of a report is reserved.
  while (offset + 4 <= to && view.getUint32(offset) === 0) offset += 4
  while (offset < to && raw[offset] === 0) offset++
  if (offset === to) return
  throw new ParseError({
    code: 'ReservedNotZero',
    message: `SNP report: reserved field ${field} is not zero`,
    offset,
    expected: 'zero',
    found: toHex(raw.subarray(offset, Math.min(offset + 8, to))),
  })
}

function byte(raw: Uint8Array, offset: number): number {
  return raw[offset] ?? 0
}

/** @param low the lower half, which has all defined bits: 64-bit arithmetic would dominate the time to read a report */
function readPolicy(raw: bigint, low: number): SnpGuestPolicy {
  return {
    raw,
    abiMinor: low & 0xff,
    abiMajor: (low >>> 8) & 0xff,
    smtAllowed: (low & (1 << 16)) !== 0,
    migrationAgentAllowed: (low & (1 << 18)) !== 0,
    debugAllowed: (low & (1 << 19)) !== 0,
    singleSocketRequired: (low & (1 << 20)) !== 0,
    cxlAllowed: (low & (1 << 21)) !== 0,
    aes256XtsRequired: (low & (1 << 22)) !== 0,
    raplDisabledRequired: (low & (1 << 23)) !== 0,
    ciphertextHidingRequired: (low & (1 << 24)) !== 0,
    pageSwapDisabled: (low & (1 << 25)) !== 0,
  }
}

/** @param low the lower half, as in readPolicy */
function readPlatformInfo(raw: bigint, low: number): SnpPlatformInfo {
  return {
    raw,
    smtEnabled: (low & 1) !== 0,
    tsmeEnabled: (low & 2) !== 0,
    eccEnabled: (low & 4) !== 0,
    raplDisabled: (low & 8) !== 0,
    ciphertextHidingEnabled: (low & 16) !== 0,
    aliasCheckComplete: (low & 32) !== 0,
    tioEnabled: (low & 128) !== 0,
  }
}

function readKeyFlags(raw: number): { authorKeyEnabled: boolean; chipKeyMasked: boolean; signingKey: SnpSigningKey } {
  const key = (raw >>> 2) & 7
  const signingKey = key === 0 ? 'VCEK' : key === 1 ? 'VLEK' : key === 7 ? 'None' : undefined
  if (signingKey === undefined || raw >>> 5 !== 0) {
    const code = signingKey === undefined ? 'UnknownType' : 'ReservedNotZero'
    const found = `0x${raw.toString(16)}`
    throw new ParseError({ code, message: 'SNP report has key information that is not known', offset: 0x48, found })
  }
  return { authorKeyEnabled: (raw & 1) === 1, chipKeyMasked: (raw & 2) === 2, signingKey }
}

function readVersion(raw: Uint8Array, offset: number): SnpFirmwareVersion {
  return { major: byte(raw, offset + 2), minor: byte(raw, offset + 1), build: byte(raw, offset) }
}
