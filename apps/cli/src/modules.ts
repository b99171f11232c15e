import type { Command } from './core/command.ts'

/** Commands of one module, by their words; the module is loaded when one of them runs, or when all are shown. */
export interface CommandModule {
  words: string[]
  load: () => Promise<Command[]>
}

export const commandModules: CommandModule[] = [
  { words: ['up'], load: async () => [(await import('./commands/up.ts')).upCommand] },
  { words: ['drill'], load: async () => [(await import('./drill/command.ts')).drillCommand] },
  { words: ['portal'], load: async () => [(await import('./commands/portal.ts')).portalCommand] },
  { words: ['env'], load: async () => [(await import('./commands/env.ts')).envCommand] },
  {
    words: ['completion'],
    load: async () => [(await import('./commands/completion.ts')).completionCommand(allCommands)],
  },
  { words: ['status', 'reset'], load: async () => (await import('./commands/installation.ts')).installationCommands },
  { words: ['restart'], load: async () => [(await import('./commands/restart.ts')).restartCommand] },
  {
    words: 'create list show ssh start stop restart deallocate update delete wait'
      .split(' ')
      .map((word) => `vm ${word}`),
    load: async () => (await import('./commands/vm/vm.ts')).vmCommands,
  },
  {
    words: ['vm secure-boot', 'vm update-secure-boot'],
    load: async () => (await import('./commands/vm/secure-boot.ts')).secureBootCommands,
  },
  { words: ['vm rekey'], load: async () => [(await import('./commands/vm/rekey.ts')).rekeyCommand] },
  { words: ['vm resize'], load: async () => [(await import('./commands/vm/resize.ts')).resizeCommand] },
  { words: ['vm backup'], load: async () => [(await import('./commands/vm/backup.ts')).backupCommand] },
  { words: ['vm restore'], load: async () => [(await import('./commands/vm/restore.ts')).restoreCommand] },
  { words: ['vm trust'], load: async () => [(await import('./commands/vm/trust.ts')).trustCommand] },
  {
    words: ['vm sign-script', 'vm run-command'],
    load: async () => (await import('./commands/vm/run-command.ts')).runCommandCommands,
  },
  {
    words: ['vault list', 'vault show'],
    load: async () => (await import('./commands/vault-access.ts')).vaultAccessCommands,
  },
  {
    words: ['vault policy lint', 'vault policy explain', 'vault policy default'],
    load: async () => (await import('./commands/vault.ts')).vaultCommands,
  },
  { words: ['vault key verify'], load: async () => (await import('./commands/vault-key.ts')).vaultKeyCommands },
  {
    words: ['image build', 'image import', 'image measurements', 'image update', 'image list'],
    load: async () => (await import('./commands/image.ts')).imageCommands,
  },
  {
    words: ['firmware list', 'firmware measurements', 'firmware remove', 'firmware sign'],
    load: async () => (await import('./commands/firmware.ts')).firmwareCommands,
  },
  {
    words: ['image sign-variable'],
    load: async () => [(await import('./commands/sign-variable.ts')).signVariableCommand],
  },
  {
    words: ['evidence verify', 'evidence explain'],
    load: async () => (await import('./commands/evidence.ts')).evidenceCommands,
  },
  {
    words: ['collateral status', 'collateral shortfall', 'collateral export', 'collateral import'],
    load: async () => (await import('./commands/collateral.ts')).collateralCommands,
  },
  {
    words: ['decision list', 'decision show', 'decision export'],
    load: async () => (await import('./commands/decision.ts')).decisionCommands,
  },
  {
    words: ['policy check', 'policy eval', 'policy explain', 'policy format'],
    load: async () => (await import('./commands/policy.ts')).policyCommands,
  },
  { words: ['release verify'], load: async () => (await import('./commands/release.ts')).releaseCommands },
  { words: ['log verify', 'log show', 'log key'], load: async () => (await import('./commands/log.ts')).logCommands },
  {
    words: ['master-key show', 'master-key rotate'],
    load: async () => (await import('./commands/master-key.ts')).masterKeyCommands,
  },
  {
    words: ['installation backup', 'installation restore', 'installation accept-states'],
    load: async () => (await import('./commands/installation-backup.ts')).installationBackupCommands,
  },
  {
    words: ['cost show', 'cost prices set', 'cost prices show'],
    load: async () => (await import('./commands/cost.ts')).costCommands,
  },
  {
    words: ['quota list', 'quota grant', 'quota deny', 'quota kind'],
    load: async () => (await import('./commands/quota.ts')).quotaCommands,
  },
  {
    words: ['host add', 'host list', 'host show', 'host drain', 'host resume', 'host remove'],
    load: async () => (await import('./commands/host/hosts.ts')).hostCommands,
  },
  { words: ['host join', 'host run'], load: async () => (await import('./commands/host/join.ts')).joinCommands },
  {
    words: ['test status', 'test clock', 'test fault add', 'test fault clear', 'test reset'],
    load: async () => (await import('./commands/test.ts')).testCommands,
  },
]

/** With which a command line can begin. */
export const firstWords: readonly string[] = [
  'help',
  ...new Set(commandModules.flatMap(({ words }) => words.map((each) => each.split(' ')[0]!))),
]

/** Every command, in help order. */
export async function allCommands(): Promise<Command[]> {
  return (await Promise.all(commandModules.map(async ({ load }) => await load()))).flat()
}

/** The commands that a command line may mean: one module's if it names one of them, else all. */
export async function commandsFor(args: readonly string[]): Promise<Command[]> {
  const module = commandModules.find(({ words }) =>
    words.some((each) => each === args.slice(0, each.split(' ').length).join(' ')),
  )
  return module === undefined ? await allCommands() : await module.load()
}
