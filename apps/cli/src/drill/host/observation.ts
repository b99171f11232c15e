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
