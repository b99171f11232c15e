import type { EvidenceRecord } from '../record/evidence-record.ts'
import type { Tables } from './tables.ts'

export type Decision = Tables['decision']

/** What is written down of one decision. */
export interface DecisionEntry {
  row: Decision
  /** JSON beside the row, and the evidence; absent where none can be kept. */
  bundle?: { content: Record<string, unknown>; evidence: EvidenceRecord }
}
