export { describeStores, type OpenTestStore } from './testing/stores.ts'
