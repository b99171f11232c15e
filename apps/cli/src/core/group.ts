/** What the commands with this prefix do, for help and completion. */
const groups: Readonly<Record<string, string>> = {
  vm: 'create, run, reach and verify VMs',
  vault: 'see who can use vaults and their keys, and check release policies',
  'vault policy': 'check and explain release policies',
  'vault key': 'verify statements about keys',
  firmware: 'which firmware confidential VMs may be launched with',
  image: 'build and import guest images, and read their measurements',
  evidence: 'verify and explain evidence offline',
  collateral: 'show, export and import vendors’ certificates, CRLs and TCB information',
  decision: 'show and export decisions of the attestation service',
  policy: 'check, evaluate and explain attestation policies locally',
  release: 'verify release files',
  log: 'verify and show the vault’s operations log',
  installation: 'back the whole installation up, and restore it elsewhere',
  'master-key': 'show and rotate the installation’s master key',
  cost: 'show and export usage and cost',
  'cost prices': 'show and set prices',
  quota: 'show, request and grant quota',
  host: 'add and manage hosts',
  test: 'move the clock and cause faults, where the server has the test API',
  'test fault': 'cause and clear faults',
}

/** @param words the first words of commands, for example `['vault', 'policy']` @throws Error for an undescribed group */
export function groupSummary(words: readonly string[]): string {
  const summary = groups[words.join(' ')]
  if (summary === undefined) throw new Error(`The group "${words.join(' ')}" has no summary in core/group.ts.`)
  return summary
}
