import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { releaseStep } from '@strongroom/contract'
import { openInstallation, openRootKey } from '@strongroom/platform'
import { readStoreUrl, requireStoreUrl } from '../stores/store-url.ts'
import { encodeFrame } from './frames.ts'
import { wrapForRecipient, type Recipient } from './recipient.ts'
import { SealedFileWriter } from './sealed-file.ts'
import { fileFrames, stateFiles } from './state-files.ts'
import { copySqlite, dumpPostgres } from './stores.ts'

export interface MadeBackup {
  path: string
  installationId: string
  madeAt: string
  files: number
}

/**
 * Writes an installation into one encrypted file: its stores as of one moment, its root key, and the rest of its state
 * directory. The server may run, unless disks are copied too.
 * @param o.path must not exist; it appears there whole, or not at all
 * @throws ServiceError BackupKeyRefused, those of the root key and the stores
 */
export async function makeBackup(o: {
  stateDir: string
  path: string
  to: Recipient
  storeUrlFile: string | undefined
  disks: boolean
}): Promise<MadeBackup> {
  const { stateDir, path } = o
  const { installation } = await openInstallation({ stateDir })
  requireStoreUrl(installation, o.storeUrlFile)
  const root = await openRootKey({ stateDir, installationId: installation.id })
  const { key, wrapped } = await wrapForRecipient(o.to)
  const partial = `${path}.partial`
  await rm(partial, { force: true })
  // Beside the stores, which have the same content.
  const copies = join(stateDir, 'copies.partial')
  await rm(copies, { recursive: true, force: true })
  await mkdir(copies, { mode: 0o700 })
  const madeAt = new Date().toISOString()
  const header = {
    format: 'strongroom-installation-backup',
    version: 1,
    installationId: installation.id,
    madeAt,
    releaseStep,
    key: wrapped,
  } as const
  let files = 0
  try {
    const file = await SealedFileWriter.create(partial, header, key)
    try {
      await file.write(encodeFrame({ kind: 'root-key' }, root))
      const url = await readStoreUrl({ file: o.storeUrlFile, stateDir })
      const stores =
        installation.stores === 'postgres' ? await dumpPostgres(url, copies) : await copySqlite(stateDir, copies)
      const add = async (from: string, as: string): Promise<void> => {
        for await (const frame of fileFrames(from, as)) await file.write(frame)
        files += 1
      }
      for (const name of stores) await add(join(copies, name), name)
      for await (const each of stateFiles(stateDir, o)) await add(join(stateDir, each), each)
      await file.write(encodeFrame({ kind: 'end', files }))
      await file.end()
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    await rename(partial, path)
  } finally {
    key.fill(0)
    root.fill(0)
    await rm(partial, { force: true })
    await rm(copies, { recursive: true, force: true })
  }
  return { path, installationId: installation.id, madeAt, files }
}
