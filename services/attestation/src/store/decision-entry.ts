import type { Tables } from './tables.ts'

export type Decision = Tables['decision']

/** The record of one decision. */
export interface DecisionEntry {
  row: Decision
  /** JSON beside the row, and the evidence; absent if none can be stored. */
  bundle?: { content: Record<string, unknown>; evidence: EvidenceRecord }
}

/** Evidence stored with a decision: JSON in which `strongroom evidence verify` recognises every piece by its content. */
export interface EvidenceRecord {
  /** What is specific to this evidence; bytes as base64. */
  own: Record<string, unknown>
  /** What many pieces of evidence share (certificates, revocation lists, Intel's signed texts): stored once. */
  shared: Record<string, SharedText>
}

/** A text that is only generated if it is not stored yet. */
export interface SharedText {
  /** Identifies the text: SHA-256 of what it is generated from, base64url. */
  digest: string
  text: () => string
}
