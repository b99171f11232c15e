import { createSealer, type Sealer } from '../sealing/sealer.ts'

/** Binds test stores. */
export const testSealer: Sealer = createSealer(new Uint8Array(32))
