export { StrongroomContainer } from './container.ts'
export { StartedStrongroomContainer } from './started.ts'
export type { Endpoints, OwnerCredential } from '../cloud.ts'
