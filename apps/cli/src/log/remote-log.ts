import { isManagedHsmVaultName, managedHsmAudience, vaultAudience, vaultHost } from '@strongroom/contract'
import type { Connection } from '../core/connection.ts'
import {
  openCheckpoint,
  parseNoteKey,
  TransparencyError,
  type Checkpoint,
  type Fetch,
  type NoteKey,
} from '@strongroom/transparency'
import { expectSuccess } from '../client/https.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'

/** A vault's operation log, read over its wire. */
export interface RemoteLog {
  origin: string
  fetch: Fetch
  /** Verifier key, from the vault. */
  key(): Promise<string>
  /** The note, and its content once its signature is verified. */
  checkpoint(key: string): Promise<{ note: string; checkpoint: Checkpoint }>
}

export function remoteLog(connection: Connection, vault: string): RemoteLog {
  const host = vaultHost(vault)
  const origin = `${host}/operationlog`
  const fetch: Fetch = async (path) => {
    const token = await connection.ownerToken(isManagedHsmVaultName(vault) ? managedHsmAudience : vaultAudience)
    const answer = await connection.https.request({ method: 'GET', url: `https://${origin}/${path}`, token })
    if (answer.status !== 404 || !path.startsWith('tile/')) return expectSuccess(answer).bytes
    throw new TransparencyError({
      code: 'Missing',
      message: 'The log does not contain what it signed: entries were removed.',
      expected: path,
      found: 'nothing',
    })
  }
  const text = async (path: string): Promise<string> => Buffer.from(await fetch(path)).toString('utf8')
  return {
    origin,
    fetch,
    key: async () => (await text('key')).trimEnd(),
    checkpoint: async (key) => {
      const note = await text('checkpoint')
      return { note, checkpoint: await openCheckpoint(note, keyOf(key, origin), origin) }
    },
  }
}

/** @throws TransparencyError Malformed or OriginMismatch */
export function keyOf(text: string, origin: string): NoteKey {
  const key = parseNoteKey(text)
  if (key.name === origin) return key
  throw new TransparencyError({
    code: 'OriginMismatch',
    message: 'The key belongs to another log.',
    expected: origin,
    found: key.name,
  })
}

const remedies: Partial<Record<TransparencyError['code'], string>> = {
  Malformed: 'Check that the server runs this version of Strongroom.',
}

/** Reports a log that differs from what it signed for, as a CLI error. */
export async function reportingDistrust<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TransparencyError)) throw error
    throw new CliError({
      code: error.code,
      message: error.message,
      exitCode: exitCodes.notTrusted,
      ...(error.expected !== undefined && { expected: error.expected }),
      ...(error.found !== undefined && { found: error.found }),
      remedy:
        remedies[error.code] ??
        'Take the vault out of service, keep its store as evidence, and restore it from a backup whose log verifies.',
      cause: error,
    })
  }
}
