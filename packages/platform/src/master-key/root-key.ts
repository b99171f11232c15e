import { randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sealedAuthorityFile } from '../authority/files.ts'
import { ServiceError } from '../errors/errors.ts'
import { createFileAtomically, writeFileAtomically } from '../files/files.ts'
import { createSealer, SealError } from '../sealing/sealer.ts'
import { keyBytes, keysDirectory, loadMasterKey, missing, readKey, refuseInside, rootKeyFile } from './key-file.ts'
import { keyFromPassphrase, newPassphraseHolder, readPassphrase, type PassphraseHolder } from './passphrase.ts'
import { sealToTpm, unsealFromTpm, type TpmHolder } from './tpm.ts'

/** A key file. Without a path it is searched for as by loadMasterKey. */
interface FileHolder {
  kind: 'file'
  path?: string
}

export type MasterKeyHolder = FileHolder | PassphraseHolder | TpmHolder

/** STATE/root-key.json: the key that everything is sealed under, wrapped under its holder's master key. */
interface RootKeyRecord {
  v: 1
  holder: MasterKeyHolder
  /** ISO time of the last change of the master key. */
  since: string
  /** Base64 of the sealer's output. */
  wrapped: string
}

interface Place {
  stateDir: string
  installationId: string
}

/** Future holder of the master key. A path for `file` is where the new key is, or is created. */
export type NewHolder = { kind: 'file'; path?: string } | { kind: 'passphrase'; path?: string } | { kind: 'tpm' }

/**
 * The key that everything sealed at rest depends on (32 bytes). Created once and stored wrapped in the state directory;
 * the master key that opens it is kept outside, and can change without resealing anything.
 * @throws ServiceError MasterKeyWrong, RootKeyUnreadable, and those of the holder; an unreadable key is never replaced
 */
export async function openRootKey(o: Place): Promise<Uint8Array> {
  const record = await readRecord(o)
  if (record) return unwrapped(o, record)
  const masterKey = await loadMasterKey(o)
  // Installations older than the root key sealed under the master key itself.
  const root = existsSync(join(o.stateDir, sealedAuthorityFile)) ? masterKey : Uint8Array.from(randomBytes(keyBytes))
  await createFileAtomically(pathOf(o), await recordText(o, { kind: 'file' }, masterKey, root))
  // Read again: another process may have created it first.
  const made = await readRecord(o)
  if (!made) throw unreadable(pathOf(o), 'nothing')
  return unwrapped(o, made)
}

/**
 * Keeps the root key of a backup in an empty state directory, under a master key of this machine: the file that is named
 * for it, or one that is created.
 * @throws ServiceError those of loadMasterKey; RootKeyUnreadable if there is one already
 */
export async function keepRootKey(o: Place & { root: Uint8Array }): Promise<void> {
  const text = await recordText(o, { kind: 'file' }, await loadMasterKey(o), o.root)
  if (!(await createFileAtomically(pathOf(o), text))) throw unreadable(pathOf(o), 'another one, which is kept')
}

/** @throws ServiceError RootKeyUnreadable if the installation has none yet */
export async function masterKeyHolder(
  o: Place,
): Promise<{ kind: MasterKeyHolder['kind']; path?: string; since: string }> {
  const record = await requiredRecord(o)
  const { kind } = record.holder
  const path = record.holder.kind === 'file' ? record.holder.path : undefined
  return { kind, since: record.since, ...(path !== undefined && { path }) }
}

/**
 * Wraps the root key under a new master key. A running server continues: it has already opened the root key, and sealed
 * data does not change. The old master key opens nothing from then on.
 * @throws ServiceError like openRootKey, and those of the new holder; the old one is then unchanged
 */
export async function rotateMasterKey(o: Place & { to: NewHolder; oldPassphraseFile?: string }): Promise<void> {
  const record = await requiredRecord(o)
  const root = await unwrapped(o, record, o.oldPassphraseFile)
  try {
    const { holder, key } = await newMasterKey(o, o.to)
    const text = await recordText(o, holder, key, root)
    // What was written must open: a holder that cannot return its key is detected here, not at the next start.
    const again = await unwrapped(
      o,
      JSON.parse(text) as RootKeyRecord,
      o.to.kind === 'passphrase' ? o.to.path : undefined,
    )
    if (again.length !== root.length || !timingSafeEqual(again, root))
      throw new Error('the new master key does not unwrap what it wrapped')
    again.fill(0)
    await writeFileAtomically(pathOf(o), text)
  } finally {
    root.fill(0)
  }
  await forgetMadeKey(o, record.holder)
}

async function newMasterKey(o: Place, to: NewHolder): Promise<{ holder: MasterKeyHolder; key: Uint8Array }> {
  if (to.kind === 'tpm') return sealToTpm()
  if (to.kind === 'passphrase') {
    const holder = newPassphraseHolder()
    return { holder, key: await keyFromPassphrase(holder, await readPassphrase(to.path)) }
  }
  const path = to.path ?? join(keysDirectory(), `${o.installationId}-${Date.now().toString(36)}`)
  refuseInside(o.stateDir, path)
  await createFileAtomically(path, randomBytes(keyBytes))
  const key = await readKey(path)
  if (!key) throw missing(path)
  return { holder: { kind: 'file', path }, key }
}

async function masterKeyOf(o: Place, holder: MasterKeyHolder, passphraseFile?: string): Promise<Uint8Array> {
  if (holder.kind === 'tpm') return unsealFromTpm(holder)
  if (holder.kind === 'passphrase') return keyFromPassphrase(holder, await readPassphrase(passphraseFile))
  if (holder.path === undefined) return loadMasterKey(o)
  refuseInside(o.stateDir, holder.path)
  const key = await readKey(holder.path)
  if (key) return key
  const { CREDENTIALS_DIRECTORY, STRONGROOM_MASTER_KEY_FILE } = process.env
  // On another machine, or from a backup, the key comes from the location given for this start.
  if (CREDENTIALS_DIRECTORY || STRONGROOM_MASTER_KEY_FILE) return loadMasterKey(o)
  throw missing(holder.path)
}

/** Removes a key file that we created and that opens nothing any longer. An operator's own file is left alone. */
async function forgetMadeKey(o: Place, old: MasterKeyHolder): Promise<void> {
  if (old.kind !== 'file') return
  const path = old.path ?? join(keysDirectory(), o.installationId)
  if (path.startsWith(join(keysDirectory(), o.installationId))) await rm(path, { force: true })
}

async function recordText(o: Place, holder: MasterKeyHolder, key: Uint8Array, root: Uint8Array): Promise<string> {
  const wrapped = Buffer.from(await createSealer(key).seal(root, contextOf(o))).toString('base64')
  const record: RootKeyRecord = { v: 1, holder, since: new Date().toISOString(), wrapped }
  return `${JSON.stringify(record, null, 2)}\n`
}

async function unwrapped(o: Place, record: RootKeyRecord, passphraseFile?: string): Promise<Uint8Array> {
  const key = await masterKeyOf(o, record.holder, passphraseFile)
  try {
    return await createSealer(key).open(Buffer.from(record.wrapped, 'base64'), contextOf(o))
  } catch (cause) {
    if (!(cause instanceof SealError)) throw cause
    throw new ServiceError({
      code: 'MasterKeyWrong',
      message: 'The master key does not decrypt this installation; the server does not start.',
      expected: `the ${record.holder.kind === 'file' ? 'key' : record.holder.kind} in force since ${record.since}`,
      found: 'another one, or an altered root key',
      remedy: 'Use the right master key, or restore the state directory and the master key from the same backup.',
      cause,
    })
  }
}

async function requiredRecord(o: Place): Promise<RootKeyRecord> {
  const record = await readRecord(o)
  if (record) return record
  throw unreadable(pathOf(o), 'nothing: the installation has never been started')
}

async function readRecord(o: Place): Promise<RootKeyRecord | undefined> {
  const path = pathOf(o)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let record: Partial<RootKeyRecord>
  try {
    record = JSON.parse(text) as Partial<RootKeyRecord>
  } catch {
    throw unreadable(path, `${text.length} characters that are not JSON`)
  }
  const kinds: string[] = ['file', 'passphrase', 'tpm'] satisfies MasterKeyHolder['kind'][]
  if (record.v === 1 && typeof record.wrapped === 'string' && kinds.includes(record.holder?.kind ?? '')) {
    return record as RootKeyRecord
  }
  throw unreadable(path, 'JSON of a different shape')
}

function unreadable(path: string, found: string): ServiceError {
  return new ServiceError({
    code: 'RootKeyUnreadable',
    message: `The root key in ${path} cannot be read; this installation cannot be decrypted without it.`,
    expected: 'the file as it was written',
    found,
    remedy: 'Restore the file from a backup of the state directory. A new one would not decrypt anything.',
  })
}

const pathOf = (o: Place): string => join(o.stateDir, rootKeyFile)
const contextOf = (o: Place): string => `root-key/${o.installationId}`
