import { equal, isZero } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { VerificationError, type VerificationErrorCode } from '../core/errors.ts'
import type { SnpEndorsement } from './endorse.ts'
import type { SnpProduct } from './products.ts'
import type { SnpFirmwareVersion, SnpReport } from './report.ts'
import { decodeTcb, describeTcb, tcbParts } from './tcb.ts'

/** Bytes of CHIP_ID. */
const chipIdLength = 64

/**
 * The chip behind a report, from its certificate if that is a chip's: otherwise a host could hide the id (MASK_CHIP_ID)
 * to evade a list of chips. Undefined if a provider's key signed and the host hides the id.
 */
export function chipOf(report: SnpReport, { hardwareId }: SnpEndorsement): Uint8Array | undefined {
  if (hardwareId !== undefined) return chipIdOf(hardwareId)
  return isZero(report.chipId) ? undefined : report.chipId
}

/** The report names the chip of the certificate, or none (AMD 56860, SNP_CONFIG, MASK_CHIP_ID). @throws VerificationError ChipMismatch */
export function requireChip(report: SnpReport, { hardwareId }: SnpEndorsement): void {
  // A provider's key belongs to no chip: nothing to compare.
  if (hardwareId === undefined || isZero(report.chipId)) return
  if (!equal(report.chipId, chipIdOf(hardwareId))) {
    refuse('ChipMismatch', 'Report comes from another chip', toHex(hardwareId), toHex(report.chipId))
  }
}

/** CHIP_ID of a chip: shorter ids are padded with zeros. */
function chipIdOf(hardwareId: Uint8Array): Uint8Array {
  const chip = new Uint8Array(chipIdLength)
  chip.set(hardwareId)
  return chip
}

/**
 * The running version is never older than the committed one: firmware refuses to go below it (AMD 56860, SNP_COMMIT).
 * @throws VerificationError TcbMismatch; ParseError ReservedNotZero
 */
export function requireCommitted(report: SnpReport, product: SnpProduct): void {
  const [current, committed] = [decodeTcb(report.currentTcb, product), decodeTcb(report.committedTcb, product)]
  const message = 'What runs is older than what is committed'
  if (tcbParts.some((part) => current[part] < committed[part])) {
    refuse('TcbMismatch', message, `at least ${describeTcb(committed)}`, describeTcb(current))
  }
  const { currentVersion, committedVersion } = report
  if (firmwareRank(currentVersion) < firmwareRank(committedVersion)) {
    const expected = `at least firmware ${describeFirmware(committedVersion)}`
    refuse('TcbMismatch', message, expected, `firmware ${describeFirmware(currentVersion)}`)
  }
}

/** For comparing versions of SNP firmware. */
export function firmwareRank(version: SnpFirmwareVersion): number {
  return (version.major * 256 + version.minor) * 256 + version.build
}

export function describeFirmware(version: SnpFirmwareVersion): string {
  return `${version.major}.${version.minor}.${version.build}`
}

function refuse(code: VerificationErrorCode, what: string, expected: string, found: string): never {
  throw new VerificationError({ code, message: `SNP report: ${what}`, subject: 'SNP report', expected, found })
}
