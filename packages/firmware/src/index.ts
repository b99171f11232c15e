export { FirmwareError } from './firmware-error.ts'
export { cacheDirectory, firmwarePath, guestFirmware } from './guest-firmware.ts'
export { hardenFirmware } from './harden.ts'
