import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { visibleJson } from '@strongroom/contract'
import { createSealer, openInstallation, openRootKey, ServiceError, toErrorBody } from '@strongroom/platform'
import { acceptStates } from './installation-backup/accepted-states.ts'
import { makeBackup } from './installation-backup/make-backup.ts'
import { restoreBackup } from './installation-backup/restore-backup.ts'
import { readStoreUrl, requireStoreUrl } from './stores/store-url.ts'

/**
 * Backups of a whole installation, and what is restored from them; for the CLI, which may not read sealed data itself.
 *   --state-dir DIR [--store-url-file FILE] backup FILE --passphrase-file FILE | --public-key FILE [--disks]
 *   --state-dir DIR [--store-url-file FILE] restore FILE --passphrase-file FILE | --private-key FILE
 *   --state-dir DIR [--store-url-file FILE] accept-states
 * One line of JSON on standard output: { result } or { error }. Exit code 0 or 1.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'state-dir': { type: 'string' },
    'store-url-file': { type: 'string' },
    'passphrase-file': { type: 'string' },
    'public-key': { type: 'string' },
    'private-key': { type: 'string' },
    disks: { type: 'boolean' },
  },
})

const [command, path = ''] = positionals
const storeUrlFile = values['store-url-file']
const passphraseFile = values['passphrase-file']

/** @throws ServiceError InvalidArgument unless exactly one of the two is given */
function oneOf<Name extends string>(option: string, name: Name): { passphraseFile: string } | Record<Name, string> {
  const other = values[option as 'public-key' | 'private-key']
  if ((passphraseFile === undefined) === (other === undefined))
    throw invalid('The key of the backup is missing, or given twice.', `--passphrase-file FILE or --${option} FILE`)
  return passphraseFile === undefined ? ({ [name]: other } as Record<Name, string>) : { passphraseFile }
}

async function answer(): Promise<object> {
  const stateDir = values['state-dir'] ?? ''
  if (command === 'restore')
    return await restoreBackup({ stateDir, path, by: oneOf('private-key', 'privateKeyFile'), storeUrlFile })
  if (!existsSync(join(stateDir, 'installation.json')))
    throw invalid('There is no installation.', 'a state directory with installation.json', stateDir)
  if (command === 'backup') {
    const disks = values.disks ?? false
    return await makeBackup({ stateDir, path, to: oneOf('public-key', 'publicKeyFile'), storeUrlFile, disks })
  }
  if (command !== 'accept-states') throw invalid('There is no such command.', 'backup, restore or accept-states')
  const { installation } = await openInstallation({ stateDir })
  requireStoreUrl(installation, storeUrlFile)
  const sealer = createSealer(await openRootKey({ stateDir, installationId: installation.id }))
  return await acceptStates({ stateDir, storeUrl: await readStoreUrl({ file: storeUrlFile, stateDir }), sealer })
}

function invalid(message: string, expected: string, found: string = 'nothing'): ServiceError {
  const remedy = 'See strongroom installation --help.'
  return new ServiceError({ code: 'InvalidArgument', message, expected, found, remedy })
}

// Copies of stores are made by SQLite, PostgreSQL's programs and this one.
process.umask(0o077)
try {
  process.stdout.write(`${visibleJson({ result: await answer() })}\n`)
} catch (error) {
  process.stdout.write(`${visibleJson(toErrorBody(error).body)}\n`)
  process.exitCode = 1
}
