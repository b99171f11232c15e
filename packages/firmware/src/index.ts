export { FirmwareError } from './firmware-error.ts'
export { cacheDirectory, guestFirmware } from './guest-firmware.ts'
export { withoutKernelLoader } from './kernel-loader.ts'
