/** Loaded by a page that judges files of any kind. */
export * from '@strongroom/evidence'
export * from '@strongroom/evidence/files'
