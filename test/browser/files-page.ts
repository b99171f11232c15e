/** What a page that judges files of any kind loads. */
export * from '@strongroom/evidence'
export * from '@strongroom/evidence/files'
