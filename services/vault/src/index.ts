export type { PlatformAccess } from './access.ts'
export type { LogVerdict } from './log/verify.ts'
export { createVaultService, type VaultContext, type VaultService } from './service.ts'
