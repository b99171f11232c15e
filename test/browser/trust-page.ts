/** Loaded by a page that verifies a boot. */
export * from '@strongroom/trust'
