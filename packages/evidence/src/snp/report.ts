import { ByteReader } from '../bytes/byte-reader.ts'
import { ParseError } from '../result/errors.ts'
import type { CpuIdentity } from './products.ts'

/** Bytes of ATTESTATION_REPORT. */
export const snpReportLength = 1184
/** Bytes that the signature covers. */
export const snpSignedLength = 0x2a0

/** GUEST_POLICY: what the guest's owner demanded at launch. */
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
}

export interface SnpFirmwareVersion {
  major: number
  minor: number
  build: number
}

/** Key that signed: of the chip, of a cloud provider's load, or none. */
export type SnpSigningKey = 'VCEK' | 'VLEK' | 'None'

/** ATTESTATION_REPORT of the SNP ABI specification (AMD 56860), versions 2, 3 and 5. */
export interface SnpReport {
  /** Never an identity: whoever has a report can write its signature in a second form. `reportId` and `signed` are stable. */
  raw: Uint8Array
  /** The bytes that the signature covers. */
  signed: Uint8Array
  version: 2 | 3 | 5
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
  chipKeyMasked: boolean
  signingKey: SnpSigningKey
  reportData: Uint8Array
  measurement: Uint8Array
  hostData: Uint8Array
  idKeyDigest: Uint8Array
  authorKeyDigest: Uint8Array
  reportId: Uint8Array
  /** All bytes 0xFF when there is no migration agent. */
  reportIdMa: Uint8Array
  /** From version 3. */
  cpu: CpuIdentity | undefined
  chipId: Uint8Array
  currentVersion: SnpFirmwareVersion
  committedVersion: SnpFirmwareVersion
  /** From version 5. */
  launchMitigations: bigint | undefined
  currentMitigations: bigint | undefined
  /** r and s, 48 bytes each, least significant byte first. */
  signatureR: Uint8Array
  signatureS: Uint8Array
}

/** Reads a report of exactly 1184 bytes. @throws ParseError WrongLength, UnknownVersion, UnknownType, ReservedNotZero */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== snpReportLength) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'SNP report has another length',
      expected: `${snpReportLength} bytes`,
      found: `${bytes.length} bytes`,
    })
  }
  const raw = Uint8Array.from(bytes)
  const r = new ByteReader(raw, 'SNP report')
  const version = r.u32le('version')
  if (version !== 2 && version !== 3 && version !== 5) {
    const facts = { offset: 0, expected: '2, 3 or 5', found: `${version}` }
    throw new ParseError({ code: 'UnknownVersion', message: 'SNP report has a version that is not known', ...facts })
  }
  const guestSvn = r.u32le('guest SVN')
  const policy = readPolicy(r.u64le('policy'))
  const familyId = r.bytes(16, 'family id')
  const imageId = r.bytes(16, 'image id')
  const vmpl = r.u32le('VMPL')
  const algorithm = r.u32le('signature algorithm')
  if (algorithm !== 1) {
    const facts = { offset: 0x34, expected: '1 (ECDSA P-384 with SHA-384)', found: `${algorithm}` }
    throw new ParseError({ code: 'UnknownType', message: 'SNP report has another signature algorithm', ...facts })
  }
  const currentTcb = r.u64le('current TCB')
  const platformInfo = readPlatformInfo(r.u64le('platform info'))
  const keyFlags = readKeyFlags(r.u32le('key information'))
  r.zero(4, 'after key information')
  const reportData = r.bytes(64, 'report data')
  const measurement = r.bytes(48, 'measurement')
  const hostData = r.bytes(32, 'host data')
  const idKeyDigest = r.bytes(48, 'id key digest')
  const authorKeyDigest = r.bytes(48, 'author key digest')
  const reportId = r.bytes(32, 'report id')
  const reportIdMa = r.bytes(32, 'report id of the migration agent')
  const reportedTcb = r.u64le('reported TCB')
  let cpu: CpuIdentity | undefined
  if (version >= 3) cpu = { family: r.u8('CPU family'), model: r.u8('CPU model'), stepping: r.u8('CPU stepping') }
  r.zero(0x1a0 - r.position, 'before the chip id')
  const chipId = r.bytes(64, 'chip id')
  const committedTcb = r.u64le('committed TCB')
  const currentVersion = readVersion(r, 'current version')
  const committedVersion = readVersion(r, 'committed version')
  const launchTcb = r.u64le('launch TCB')
  const launchMitigations = version >= 5 ? r.u64le('mitigations at launch') : undefined
  const currentMitigations = version >= 5 ? r.u64le('current mitigations') : undefined
  r.zero(snpSignedLength - r.position, 'before the signature')
  const signatureR = r.bytes(48, 'signature r')
  r.zero(24, 'padding of signature r')
  const signatureS = r.bytes(48, 'signature s')
  r.zero(24, 'padding of signature s')
  r.zero(368, 'after the signature')
  r.end()
  return {
    raw,
    signed: raw.subarray(0, snpSignedLength),
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    currentTcb,
    reportedTcb,
    committedTcb,
    launchTcb,
    platformInfo,
    ...keyFlags,
    reportData,
    measurement,
    hostData,
    idKeyDigest,
    authorKeyDigest,
    reportId,
    reportIdMa,
    cpu,
    chipId,
    currentVersion,
    committedVersion,
    launchMitigations,
    currentMitigations,
    signatureR,
    signatureS,
  }
}

function bit(value: bigint, index: number): boolean {
  return ((value >> BigInt(index)) & 1n) === 1n
}

function readPolicy(raw: bigint): SnpGuestPolicy {
  return {
    raw,
    abiMinor: Number(raw & 0xffn),
    abiMajor: Number((raw >> 8n) & 0xffn),
    smtAllowed: bit(raw, 16),
    migrationAgentAllowed: bit(raw, 18),
    debugAllowed: bit(raw, 19),
    singleSocketRequired: bit(raw, 20),
    cxlAllowed: bit(raw, 21),
    aes256XtsRequired: bit(raw, 22),
    raplDisabledRequired: bit(raw, 23),
    ciphertextHidingRequired: bit(raw, 24),
    pageSwapDisabled: bit(raw, 25),
  }
}

function readPlatformInfo(raw: bigint): SnpPlatformInfo {
  return {
    raw,
    smtEnabled: bit(raw, 0),
    tsmeEnabled: bit(raw, 1),
    eccEnabled: bit(raw, 2),
    raplDisabled: bit(raw, 3),
    ciphertextHidingEnabled: bit(raw, 4),
    aliasCheckComplete: bit(raw, 5),
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

function readVersion(r: ByteReader, field: string): SnpFirmwareVersion {
  const build = r.u8(field)
  const minor = r.u8(field)
  const major = r.u8(field)
  r.zero(1, `after ${field}`)
  return { major, minor, build }
}
