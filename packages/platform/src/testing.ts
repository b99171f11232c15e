export { kept } from './testing/kept.ts'
export { openRaw, refuseInserts, type RawDatabase } from './testing/raw-database.ts'
export { describeStores, type OpenTestStore } from './testing/stores.ts'
export { testSealer } from './testing/test-sealer.ts'
