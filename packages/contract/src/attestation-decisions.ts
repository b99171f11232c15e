/** Decisions on record: an extension of the attestation provider's wire; `attestationWire` states it. */
export type { DecidedClaims, DecisionBundle, DecisionList, DecisionView } from './wires/attestation/decisions.ts'
