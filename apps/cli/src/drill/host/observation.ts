import type { ErrorDetail } from '@strongroom/contract'
import type { TrustReport } from '../../trust/report.ts'

/** A failing link of the trust report. */
export interface BrokenLink {
  id: string
  why: string
}

/** The observed result of one attack. */
export interface Observation {
  /** The guest reported ready, or the service answered as the attacker wanted. */
  accepted: boolean
  /** Why not. */
  error?: ErrorDetail
  /** Names of the observed marks: each is the attacker's code or data, taken. */
  marks: string[]
  /** For a ready guest. Empty if every link holds. */
  brokenLinks?: BrokenLink[]
  /** SHA-256 registers that a ready guest has quoted, hexadecimal by number. */
  registers?: Record<string, string>
  /** The owner’s report of a ready guest. */
  report?: TrustReport
  /** What a script saw in the ready guest, `saw` lines without the word. */
  saw?: string[]
  /** What the attack could not examine inside the guest: the result is then inconclusive. */
  unseen?: string
  /** The last lines of the console. */
  console?: string[]
}

/**
 * What the guest runs is measured into these: the firmware (0), the machine's tables (1), drivers and boot programs (2 to
 * 4, 6), the partition table (5), Secure Boot (7), the kernel's command line and initrd (8, 9), the kernel image (11),
 * additions to it (12, 13), settings and volume (14, 15).
 */
export const registersOfCode = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
/** It has the count of the disk’s boots beside the volume: two boots have the same where both start from the same state. */
export const countedRegister = 15
