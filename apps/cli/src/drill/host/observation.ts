import type { ErrorDetail } from '@strongroom/contract'

/** A link of the trust report that does not hold. */
export interface BrokenLink {
  id: string
  why: string
}

/** What was seen of one attack. */
export interface Observation {
  /** The guest reported that it is ready; or the service answered as the attacker wanted. */
  accepted: boolean
  /** Why it was not. */
  error?: ErrorDetail
  /** Names of the marks that were seen: each is the attacker's code or data, taken. */
  marks: string[]
  /** Of a guest that is ready. Empty: every link holds. */
  brokenLinks?: BrokenLink[]
  /** SHA-256 registers that a guest which is ready has quoted, hexadecimal by number. */
  registers?: Record<string, string>
  /** What the attack looked for inside the guest, and could not: nothing can be said then. */
  unseen?: string
  /** The last lines of the console. */
  console?: string[]
}
