import { resolve } from 'node:path'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { askServerProgram } from '../bundle/server-program.ts'

interface Holder {
  kind: 'file' | 'passphrase' | 'tpm'
  path?: string
  since: string
}

const ask = async (args: string[]): Promise<Holder> => await askServerProgram<Holder>('master-key.ts', args)

function shown(holder: Holder, first: string): Result {
  const place = holder.path === undefined ? '' : ` ${holder.path}`
  return { data: holder, lines: [first, `  held by: ${holder.kind}${place}`, `  since:   ${holder.since}`] }
}

const show: Command = {
  words: ['master-key', 'show'],
  summary: 'show where the master key of this installation is kept',
  run: async ({ paths }) => shown(await ask(['--state-dir', paths.state, 'show']), 'The master key'),
}

const rotate: Command = {
  words: ['master-key', 'rotate'],
  summary: 'replace the master key; a running server continues',
  options: [
    { flags: '--to <holder>', summary: 'file, passphrase (scrypt) or tpm (of this machine)' },
    { flags: '--file <path>', summary: 'file with the new key (created if missing) or with the new passphrase' },
    { flags: '--old-passphrase-file <path>', summary: 'file with the current passphrase' },
  ],
  examples: [
    'strongroom master-key rotate --to file',
    'strongroom master-key rotate --to passphrase --file /run/user/1000/passphrase',
    'strongroom master-key rotate --to tpm',
  ],
  run: async (context) => {
    const to = textOption(context, 'to')
    if (to === undefined) {
      throw new CliError({
        code: 'InvalidArgument',
        message: 'The holder of the new master key is missing.',
        exitCode: exitCodes.usage,
        expected: '--to file, passphrase or tpm',
        found: 'nothing',
      })
    }
    const file = textOption(context, 'file')
    const old = textOption(context, 'oldPassphraseFile')
    const args = ['--state-dir', context.paths.state, 'rotate', '--to', to]
    if (file !== undefined) args.push('--file', resolve(file))
    if (old !== undefined) args.push('--old-passphrase-file', resolve(old))
    return shown(await ask(args), 'The master key was changed; the old one no longer decrypts anything.')
  },
}

export const masterKeyCommands: Command[] = [show, rotate]
