import type { Command } from '../core/command.ts'

/** Commands of one module, by their words; the module is loaded when one of them runs, or when all are shown. */
export interface CommandModule {
  words: string[]
  load: () => Promise<Command[]>
}

export const commandModules: CommandModule[] = [
  { words: ['up'], load: async () => [(await import('./up.ts')).upCommand] },
  { words: ['drill'], load: async () => [(await import('./drill.ts')).drillCommand] },
  { words: ['portal'], load: async () => [(await import('./portal.ts')).portalCommand] },
  { words: ['env'], load: async () => [(await import('./env.ts')).envCommand] },
  { words: ['completion'], load: async () => [(await import('./completion.ts')).completionCommand(allCommands)] },
  { words: ['status', 'reset'], load: async () => (await import('./installation.ts')).installationCommands },
  { words: ['restart'], load: async () => [(await import('./restart.ts')).restartCommand] },
  {
    words: 'create list show ssh start stop restart deallocate update delete wait'
      .split(' ')
      .map((word) => `vm ${word}`),
    load: async () => (await import('./vm/vm.ts')).vmCommands,
  },
  {
    words: ['vm secure-boot', 'vm update-secure-boot'],
    load: async () => (await import('./vm/secure-boot.ts')).secureBootCommands,
  },
  { words: ['vm backup'], load: async () => [(await import('./vm/backup.ts')).backupCommand] },
  { words: ['vm restore'], load: async () => [(await import('./vm/restore.ts')).restoreCommand] },
  { words: ['vm trust'], load: async () => [(await import('./vm/trust.ts')).trustCommand] },
  {
    words: ['vm sign-script', 'vm run-command'],
    load: async () => (await import('./vm/run-command.ts')).runCommandCommands,
  },
  { words: ['vault list', 'vault show'], load: async () => (await import('./vault-access.ts')).vaultAccessCommands },
  {
    words: ['vault policy lint', 'vault policy explain', 'vault policy default'],
    load: async () => (await import('./vault.ts')).vaultCommands,
  },
  { words: ['vault key verify'], load: async () => (await import('./vault-key.ts')).vaultKeyCommands },
  {
    words: ['image build', 'image import', 'image measurements', 'image update', 'image list'],
    load: async () => (await import('./image.ts')).imageCommands,
  },
  {
    words: ['firmware list', 'firmware measurements', 'firmware remove', 'firmware sign'],
    load: async () => (await import('./firmware.ts')).firmwareCommands,
  },
  {
    words: ['image sign-variable'],
    load: async () => [(await import('./sign-variable.ts')).signVariableCommand],
  },
  {
    words: ['evidence verify', 'evidence explain'],
    load: async () => (await import('./evidence.ts')).evidenceCommands,
  },
  {
    words: ['collateral status', 'collateral shortfall', 'collateral export', 'collateral import'],
    load: async () => (await import('./collateral.ts')).collateralCommands,
  },
  {
    words: ['decision list', 'decision show', 'decision export'],
    load: async () => (await import('./decision.ts')).decisionCommands,
  },
  {
    words: ['policy check', 'policy eval', 'policy explain', 'policy format'],
    load: async () => (await import('./policy.ts')).policyCommands,
  },
  { words: ['release verify'], load: async () => (await import('./release.ts')).releaseCommands },
  { words: ['log verify', 'log show', 'log key'], load: async () => (await import('./log.ts')).logCommands },
  {
    words: ['master-key show', 'master-key rotate'],
    load: async () => (await import('./master-key.ts')).masterKeyCommands,
  },
  {
    words: ['installation backup', 'installation restore', 'installation accept-states'],
    load: async () => (await import('./installation-backup.ts')).installationBackupCommands,
  },
  {
    words: ['cost show', 'cost export', 'cost prices set', 'cost prices show'],
    load: async () => (await import('./cost.ts')).costCommands,
  },
  {
    words: ['quota list', 'quota grant', 'quota deny', 'quota kind'],
    load: async () => (await import('./quota.ts')).quotaCommands,
  },
  {
    words: ['host add', 'host list', 'host show', 'host drain', 'host resume', 'host remove'],
    load: async () => (await import('./host/hosts.ts')).hostCommands,
  },
  { words: ['host join', 'host run'], load: async () => (await import('./host/join.ts')).joinCommands },
  {
    words: ['test status', 'test clock', 'test fault add', 'test fault clear', 'test reset'],
    load: async () => (await import('./test.ts')).testCommands,
  },
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
