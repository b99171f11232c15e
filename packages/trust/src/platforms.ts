// Separate entry point: AMD's advisory table is large, and no link of a trust report needs it.
export { describeLack } from '@strongroom/evidence/advisories'
export type { NextSet } from './platform-tcb.ts'
export { readPlatforms, type ReadProvider, type SeenPlatform } from './read-platforms.ts'
