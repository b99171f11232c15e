/** Loaded by a page that judges evidence: the package's main entry, whole. Expected values and explanations are separate entries. */
export * from '@strongroom/evidence'
