import { mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createSealer, keepRootKey, openRootKey, ServiceError, type Installation } from '@strongroom/platform'
import { readStoreUrl, requireStoreUrl } from '../stores/store-url.ts'
import { holdStates } from './accepted-states.ts'
import { decodeFrames } from './frames.ts'
import type { Opener } from './recipient.ts'
import { readHeader, readSealed } from './sealed-file.ts'
import { StateWriter } from './state-files.ts'
import { dumpFile, loadPostgres } from './stores.ts'

export interface RestoredBackup {
  installationId: string
  /** When the backup was made: everything later is lost. */
  madeAt: string
  files: number
  /** VMs whose keys are held until their states are accepted. */
  heldVms: number
}

/**
 * Makes an installation of a backup: in a state directory that does not exist or is empty, under a new master key of
 * this machine, and with PostgreSQL in a database without our schemas. Nothing is there before all of it was verified.
 * Keys of VMs are held: guest states that the backup is older than cannot be told from older ones.
 * @throws ServiceError BackupAltered, BackupIncomplete, BackupKeyRefused, BackupNotRead, InstallationExists
 */
export async function restoreBackup(o: {
  stateDir: string
  path: string
  by: Opener
  storeUrlFile: string | undefined
}): Promise<RestoredBackup> {
  const { stateDir, path, by } = o
  const { header } = await readHeader(path)
  const { installationId, madeAt } = header
  const there = await readdir(stateDir).catch(() => [])
  if (there.length > 0) throw exists(stateDir, there.length)
  const partial = `${stateDir}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  try {
    const files = await writeAll({ path, by, partial, installationId })
    const installation = JSON.parse(await readFile(join(partial, 'installation.json'), 'utf8')) as Installation
    requireStoreUrl(installation, o.storeUrlFile)
    const storeUrl = await readStoreUrl({ file: o.storeUrlFile, stateDir: partial })
    if (installation.stores === 'postgres') {
      await loadPostgres(storeUrl, partial)
      await rm(join(partial, 'pgpass'), { force: true })
      await rm(join(partial, dumpFile))
    }
    const sealer = createSealer(await openRootKey({ stateDir: partial, installationId }))
    const heldVms = await holdStates({ stateDir: partial, storeUrl, sealer, madeAt })
    await rmdir(stateDir).catch(() => {})
    await rename(partial, stateDir)
    return { installationId, madeAt, files, heldVms }
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function writeAll(o: { path: string; by: Opener; partial: string; installationId: string }): Promise<number> {
  const writer = new StateWriter(o.partial)
  let end: number | undefined
  try {
    for await (const { frame, bytes } of decodeFrames(readSealed(o.path, o.by))) {
      if (frame.kind === 'root-key')
        await keepRootKey({ stateDir: o.partial, installationId: o.installationId, root: Uint8Array.from(bytes) })
      else if (frame.kind === 'file') await writer.begin(frame)
      else if (frame.kind === 'piece') await writer.piece(frame.offset, bytes)
      else end = frame.files
    }
  } finally {
    await writer.end()
  }
  if (end === writer.files) return writer.files
  throw new ServiceError({
    code: 'BackupIncomplete',
    message: 'The backup does not have all files that it names.',
    expected: `${end ?? 'an end with a number of'} files`,
    found: `${writer.files} files`,
    remedy: 'Use a complete copy.',
  })
}

const exists = (stateDir: string, entries: number): ServiceError =>
  new ServiceError({
    code: 'InstallationExists',
    message: 'A backup is restored where no installation is.',
    target: stateDir,
    expected: 'a directory that does not exist, or is empty',
    found: `${entries} entries in it`,
    remedy: 'Set STRONGROOM_STATE_DIR to another directory.',
  })
