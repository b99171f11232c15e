import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { visibleJson } from '@strongroom/contract'
import {
  masterKeyHolder,
  openInstallation,
  rotateMasterKey,
  ServiceError,
  toErrorBody,
  type NewHolder,
} from '@strongroom/platform'

/**
 * The holder of an installation's master key, and its rotation; for the CLI, which may not read sealed data itself.
 *   --state-dir DIR show
 *   --state-dir DIR rotate --to file|passphrase|tpm [--file PATH] [--old-passphrase-file PATH]
 * One line of JSON on standard output: { result }, the holder, or { error }. Exit code 0 or 1.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'state-dir': { type: 'string' },
    to: { type: 'string' },
    file: { type: 'string' },
    'old-passphrase-file': { type: 'string' },
  },
})

function newHolder(): NewHolder {
  const path = values.file === undefined ? {} : { path: values.file }
  const { to } = values
  if (to === 'tpm') return { kind: to }
  if (to === 'file' || to === 'passphrase') return { kind: to, ...path }
  throw invalid('There is no such holder of a master key.', 'file, passphrase or tpm', to ?? 'nothing')
}

function invalid(message: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'InvalidArgument',
    message,
    expected,
    found,
    remedy: 'See strongroom master-key --help.',
  })
}

async function answer(): Promise<object> {
  const stateDir = values['state-dir']
  if (stateDir === undefined || !existsSync(join(stateDir, 'installation.json'))) {
    throw invalid('There is no installation.', 'a state directory with installation.json', stateDir ?? 'nothing')
  }
  const { installation } = await openInstallation({ stateDir })
  const place = { stateDir, installationId: installation.id }
  const old = values['old-passphrase-file']
  if (positionals[0] === 'rotate') {
    await rotateMasterKey({ ...place, to: newHolder(), ...(old !== undefined && { oldPassphraseFile: old }) })
  } else if (positionals[0] !== 'show')
    throw invalid('There is no such command.', 'show or rotate', String(positionals[0]))
  return await masterKeyHolder(place)
}

try {
  process.stdout.write(`${visibleJson({ result: await answer() })}\n`)
} catch (error) {
  process.stdout.write(`${visibleJson(toErrorBody(error).body)}\n`)
  process.exitCode = 1
}
