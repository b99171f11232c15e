/** What a page that judges evidence loads: the package's main entry, whole. Expected values and explanations are entries of their own. */
export * from '@strongroom/evidence'
