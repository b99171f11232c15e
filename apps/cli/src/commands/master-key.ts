import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import type { ErrorDetail } from '@strongroom/contract'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { serverProgram } from '../core/repository.ts'
import type { Result } from '../core/output.ts'

const entry = serverProgram('master-key.ts')

interface Holder {
  kind: 'file' | 'passphrase' | 'tpm'
  path?: string
  since: string
}

/** Runs strongroomd's program: the CLI itself opens nothing that is sealed. Secrets are passed only as files. */
async function askServerProgram(args: string[]): Promise<Holder> {
  const child = spawn(
    process.execPath,
    ['--conditions=x-source', '--disable-warning=ExperimentalWarning', entry, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((done, fail) => {
    child.once('error', fail)
    child.once('close', () => done())
  })
  const text = Buffer.concat(chunks).toString('utf8')
  let answer: { holder?: Holder; error?: ErrorDetail }
  try {
    answer = JSON.parse(text) as typeof answer
  } catch (cause) {
    throw new CliError({
      code: 'ServerProgramFailed',
      message: `${entry} did not answer.`,
      found: text.slice(0, 200),
      cause,
    })
  }
  if (answer.holder !== undefined) return answer.holder
  throw CliError.fromDetail(answer.error ?? { code: 'ServerProgramFailed', message: 'no answer' }, 500)
}

function shown(holder: Holder, first: string): Result {
  const place = holder.path === undefined ? '' : ` ${holder.path}`
  return { data: holder, lines: [first, `  held by: ${holder.kind}${place}`, `  since:   ${holder.since}`] }
}

const show: Command = {
  words: ['master-key', 'show'],
  summary: 'show where the master key of this installation is kept',
  run: async ({ paths }) => shown(await askServerProgram(['--state-dir', paths.state, 'show']), 'The master key'),
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
    return shown(await askServerProgram(args), 'The master key was changed; the old one no longer decrypts anything.')
  },
}

export const masterKeyCommands: Command[] = [show, rotate]
