/** What a page that verifies a boot loads. */
export * from '@strongroom/trust'
