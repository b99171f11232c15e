import { guestFirmware } from '../packages/firmware/src/index.ts'

// Into the cache, where guests' starts find it.
await guestFirmware()
