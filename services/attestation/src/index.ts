export { createAttestationService, type AttestationOptions } from './service.ts'
export type { ComplianceBaseline } from './evidence/compliance.ts'
export type { CallerLimit } from './routes/caller-limit.ts'
