export type { PlatformAccess } from './access/platform-access.ts'
export type { LogVerdict } from './log/verify.ts'
export { azureVaultRates, type VaultRates } from './http/rate-limits.ts'
export { createVaultService, type VaultContext, type VaultService } from './service.ts'
