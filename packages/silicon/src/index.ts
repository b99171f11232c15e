export { createSilicon, type Silicon } from './silicon.ts'
export type { AmdEndorsements, SimulatedProduct } from './amd/amd-endorser.ts'
export {
  SnpLaunchError,
  type AmdSecureProcessor,
  type SnpGuest,
  type SnpLaunch,
} from './amd/simulated-secure-processor.ts'
export type { KeyStore } from './pki/keys.ts'
export type { Clock } from './pki/clock.ts'
export type { TdxGuest, TdxLaunch, TdxPlatform } from './intel/tdx-platform.ts'
export { tinyFirmware } from './tiny-firmware.ts'
