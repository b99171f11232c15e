import { createSealer, type Sealer } from '../sealer.ts'

/** Under which test stores are bound. */
export const testSealer: Sealer = createSealer(new Uint8Array(32))
