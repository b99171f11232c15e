export { createAttestationService, type AttestationOptions } from './service.ts'
export type { ComplianceBaseline } from './evidence/compliance.ts'
