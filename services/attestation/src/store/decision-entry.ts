import type { EvidenceRecord } from '../record/evidence-record.ts'
import type { Tables } from './tables.ts'

export type Decision = Tables['decision']

/** The record of one decision. */
export interface DecisionEntry {
  row: Decision
  /** JSON beside the row, and the evidence; absent if none can be stored. */
  bundle?: { content: Record<string, unknown>; evidence: EvidenceRecord }
}
