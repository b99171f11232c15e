import type { FaqRuleId } from '../../services/control-plane/src/arm/faq-rule.ts'
import type { Driver } from './driver.ts'
import type { Guest } from './guest.ts'

/** What a rule is tried on, and the record of actions and results. */
export interface Trial {
  /** An installation without guests: the resource manager's answers. */
  driver: Driver
  /** A booted confidential VM; the first call boots it, and all rules share it. */
  guest(tee: 'snp' | 'tdx'): Promise<Guest>
  /** One line of the report. */
  note(did: string, came: string): void
}

export interface Rule {
  id: FaqRuleId
  /** What it needs besides the installation without guests. */
  boots: ('snp' | 'tdx')[]
  /** Throws if the rule does not hold. */
  check(t: Trial): Promise<void>
}
