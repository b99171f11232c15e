import { hash } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupStatus } from '@strongroom/contract'
import { backupChunk } from '@strongroom/contract/backup-manifest'
import type { HttpsClient } from '../core/connection.ts'
import { expectSuccess } from '../client/https.ts'
import { CliError } from '../core/cli-error.ts'
import { chunksOf, digestAt, storedChunks, type StoredBackup } from './folder.ts'

/** Limit of one request's read or write, as for page blobs. */
const mostBytes = 4 * 1024 * 1024
const mostChunks = mostBytes / backupChunk
const page = 512

/** @throws CliError with the server's error */
export async function fetchFile(
  https: HttpsClient,
  addresses: BackupStatus['addresses'],
  name: string,
): Promise<Uint8Array> {
  const url = addresses?.[name] ?? ''
  return expectSuccess(await https.request({ method: 'GET', url })).bytes
}

/**
 * Fetches the chunks of a disk that a backup stores into NAME.chunks, and compares each with its digest.
 * @param o.base digests of the backup before, for an increment
 * @returns bytes fetched
 */
export async function fetchDisk(o: {
  https: HttpsClient
  url: string
  name: string
  sizeBytes: number
  digests: Buffer
  base: Buffer | undefined
  directory: string
}): Promise<number> {
  const chunks = storedChunks(o.digests, o.base?.length === o.digests.length ? o.base : undefined)
  const file = await open(join(o.directory, `${o.name}.chunks`), 'w', 0o600)
  let fetched = 0
  try {
    for (const run of runsOf(chunks)) {
      const first = run[0]! * backupChunk
      const last = Math.min(first + run.length * backupChunk, o.sizeBytes) - 1
      const headers = { range: `bytes=${first}-${last}` }
      const { bytes } = expectSuccess(await o.https.request({ method: 'GET', url: o.url, headers }))
      run.forEach((index, at) => {
        const chunk = bytes.subarray(at * backupChunk, (at + 1) * backupChunk)
        const wanted = digestAt(o.digests, index)
        if (!hash('sha256', chunk, 'buffer').equals(wanted)) throw changed(o.name, index, wanted)
      })
      // The last chunk of a disk may be shorter; it is the last here, too.
      await file.write(bytes, 0, bytes.length, fetched)
      fetched += bytes.length
    }
  } finally {
    await file.close()
  }
  return fetched
}

/** Consecutive chunks, at most as many as one request takes. */
function* runsOf(chunks: number[]): Generator<number[]> {
  let run: number[] = []
  for (const chunk of chunks) {
    if (run.length > 0 && (chunk !== run.at(-1)! + 1 || run.length === mostChunks)) {
      yield run
      run = []
    }
    run.push(chunk)
  }
  if (run.length > 0) yield run
}

/** Writes a file into an empty blob, which has whole pages. */
export async function sendFile(https: HttpsClient, url: string, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += mostBytes)
    await putPages(https, url, at, bytes.subarray(at, at + mostBytes))
}

/** Writes a disk as in the newest of the backups into an empty blob. @returns bytes written */
export async function sendDisk(
  https: HttpsClient,
  url: string,
  backups: readonly StoredBackup[],
  name: string,
): Promise<number> {
  let [pending, first, sent] = [[] as Buffer[], 0, 0]
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return
    const bytes = Buffer.concat(pending)
    await putPages(https, url, first * backupChunk, bytes)
    sent += bytes.length
    pending = []
  }
  for await (const { index, bytes } of chunksOf(backups, name)) {
    if (pending.length > 0 && (index !== first + pending.length || pending.length === mostChunks)) await flush()
    if (pending.length === 0) first = index
    pending.push(bytes)
  }
  await flush()
  return sent
}

/** At most 4 MiB, from a multiple of 512 bytes on. */
export async function putPages(https: HttpsClient, url: string, at: number, bytes: Uint8Array): Promise<void> {
  const padded = Buffer.alloc(Math.ceil(bytes.length / page) * page)
  padded.set(bytes)
  const headers = { range: `bytes=${at}-${at + padded.length - 1}`, 'x-ms-page-write': 'update' }
  expectSuccess(await https.request({ method: 'PUT', url: `${url}&comp=page`, bytes: padded, headers }))
}

/** A file of a backup, unchanged. */
export const store = async (directory: string, name: string, bytes: Uint8Array): Promise<void> =>
  await writeFile(join(directory, name), bytes, { mode: 0o600 })

const changed = (name: string, index: number, wanted: Buffer): CliError =>
  new CliError({
    code: 'BackupAltered',
    message: `The disk ${name} changed while it was fetched.`,
    expected: `chunk ${index} with SHA-256 ${wanted.toString('hex')}`,
    found: 'other bytes',
    remedy: 'Repeat the backup; two at once of one VM are not made.',
  })
