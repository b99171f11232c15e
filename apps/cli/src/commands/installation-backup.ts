import { resolve } from 'node:path'
import { findServer } from '../client/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { askServerProgram } from '../bundle/server-program.ts'
import { ownCommand } from '../core/own-name.ts'

const program = 'installation-copy.ts'
const storeOption = {
  flags: '--store-url-file <file>',
  summary: 'file with the URL of the PostgreSQL that keeps the stores',
}

/** Options whose values are paths, as the program takes them. */
function paths(context: CommandContext, options: Record<string, string>): string[] {
  return Object.entries(options).flatMap(([name, flag]) => {
    const value = textOption(context, name)
    return value === undefined ? [] : [flag, resolve(value)]
  })
}

async function requireStopped(stateDir: string, why: string): Promise<void> {
  const server = await findServer(stateDir)
  if (server === undefined) return
  throw new CliError({
    code: 'StillRunning',
    message: `The server of ${stateDir} runs: ${why}.`,
    expected: 'no server',
    found: `pid ${server.pid}`,
    remedy: 'Stop it (Ctrl-C where `strongroom up` runs), then repeat the command.',
  })
}

const backup: Command = {
  words: ['installation', 'backup'],
  args: ['<file>'],
  summary: 'write the whole installation into one encrypted file: stores, root key, authority; the server may run',
  options: [
    { flags: '--passphrase-file <file>', summary: 'file of mode 0600 with the passphrase that opens the backup' },
    { flags: '--public-key <file>', summary: 'RSA public key in PEM whose private half opens the backup' },
    { flags: '--disks', summary: 'disks and guest states too; the server must not run' },
    storeOption,
  ],
  examples: [
    'strongroom installation backup 2026-11-29.backup --public-key operator.pub.pem',
    'strongroom installation backup 2026-11-29.backup --passphrase-file passphrase --disks',
  ],
  run: async (context) => {
    const state = context.paths.state
    const disks = context.options['disks'] === true
    if (disks) await requireStopped(state, 'disks and guest states are copied at rest')
    const options = { passphraseFile: '--passphrase-file', publicKey: '--public-key', storeUrlFile: '--store-url-file' }
    const given = [...paths(context, options), ...(disks ? ['--disks'] : [])]
    const path = resolve(context.args[0] ?? '')
    const made = await askServerProgram<{ madeAt: string; files: number }>(program, [
      '--state-dir',
      state,
      'backup',
      path,
      ...given,
    ])
    return {
      data: made,
      lines: [
        `${path}: the installation as of ${made.madeAt}, ${made.files} files.`,
        disks
          ? '  with disks and guest states'
          : `  without disks and guest states: back VMs up with \`${ownCommand('vm backup')}\`, or repeat with --disks`,
      ],
    }
  },
}

const restore: Command = {
  words: ['installation', 'restore'],
  args: ['<file>'],
  summary: 'make an installation of a backup, in an empty state directory, on this machine or another',
  options: [
    { flags: '--passphrase-file <file>', summary: 'file of mode 0600 with the passphrase of the backup' },
    { flags: '--private-key <file>', summary: 'RSA private key in PEM, mode 0600' },
    { flags: '-y, --yes', summary: 'everything that was written after the backup is lost' },
    storeOption,
  ],
  examples: ['strongroom installation restore 2026-11-29.backup --private-key operator.pem --yes'],
  run: async (context) => {
    const state = context.paths.state
    if (context.options['yes'] !== true)
      throw new CliError({
        code: 'NotConfirmed',
        message:
          'A restored installation is as old as its backup: what was written later is lost, and the old one must never run again.',
        remedy: 'Add --yes.',
        exitCode: exitCodes.usage,
      })
    const options = {
      passphraseFile: '--passphrase-file',
      privateKey: '--private-key',
      storeUrlFile: '--store-url-file',
    }
    const path = resolve(context.args[0] ?? '')
    const restored = await askServerProgram<{ installationId: string; madeAt: string; files: number; heldVms: number }>(
      program,
      ['--state-dir', state, 'restore', path, ...paths(context, options)],
    )
    const { installationId, madeAt, files, heldVms } = restored
    return {
      data: restored,
      lines: [
        `${state}: installation ${installationId} as of ${madeAt}, ${files} files.`,
        `  its root key is under a new master key of this machine: ${ownCommand('master-key show')}`,
        ...(heldVms === 0
          ? []
          : [
              `  the keys of ${heldVms} VMs are held: they do not start until you accept their states (` +
                `${ownCommand('installation accept-states')})`,
            ]),
      ],
    }
  },
}

const accept: Command = {
  words: ['installation', 'accept-states'],
  summary: 'after a restore: let VMs start again, although older guest states cannot be told from the newest',
  options: [{ flags: '-y, --yes', summary: 'do not ask for confirmation' }, storeOption],
  run: async (context) => {
    const state = context.paths.state
    await requireStopped(state, 'keys are enabled where no server holds them in memory')
    if (context.options['yes'] !== true)
      throw new CliError({
        code: 'NotConfirmed',
        message:
          'From now on a VM starts from any guest state that is not older than the backup: whoever stores them can choose.',
        remedy: 'Add --yes if nobody else had access to the guest states since the backup.',
        exitCode: exitCodes.usage,
      })
    const given = paths(context, { storeUrlFile: '--store-url-file' })
    const accepted = await askServerProgram<{ madeAt: string; vms: number }>(program, [
      '--state-dir',
      state,
      'accept-states',
      ...given,
    ])
    return { data: accepted, lines: [`The states of ${accepted.vms} VMs are accepted, from ${accepted.madeAt} on.`] }
  },
}

export const installationBackupCommands: Command[] = [backup, restore, accept]
