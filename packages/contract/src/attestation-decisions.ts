/** Recorded decisions: an extension of the attestation provider's wire; stated by `attestationWire`. */
export type { DecidedClaims, DecisionBundle, DecisionList, DecisionView } from './wires/attestation/decisions.ts'
