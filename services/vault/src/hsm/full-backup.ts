import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { managedHsmVaultName } from '@strongroom/contract'
import {
  createSealer,
  SealError,
  writeFileAtomically,
  type Caller,
  type Clock,
  type DatabaseTransaction,
  type Store,
} from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import { badParameter, shown } from '../core/errors.ts'
import { bindingOf, keyRows } from '../keys/key-version.ts'
import type { Keystore } from '../keystore/keystore.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf } from '../log/who.ts'
import type { Tables } from '../store/migrations.ts'
import type { KeyObjectRow, KeyVersionRow } from '../store/tables.ts'
import type { Activation } from './activation.ts'
import type { HsmRepository, RoleAssignment } from './repository.ts'
import type { RoleDefinition } from './roles.ts'

/** Host of the containers for backups: folders below STATE/hsm-backups. */
const storageHost = 'backup.strongroom.internal'
const folderPattern = /^mhsm-[a-z0-9-]{3,40}-\d{17}$/

interface Backup {
  v: 1
  hsm: string
  objects: KeyObjectRow[]
  /** `material` is the key itself, base64. */
  versions: KeyVersionRow[]
  definitions: RoleDefinition[]
  assignments: RoleAssignment[]
}

interface Parts {
  store: Store
  repository: HsmRepository
  keystore: Keystore
  activation: Activation
  log: OperationLog
  clock: Clock
  stateDir: string
}

/**
 * Full backups of managed HSMs: all keys and roles, sealed under the security domain. They open in every HSM with that
 * domain, of this installation or another, and nowhere else.
 */
export class FullBackups {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  /** @returns where the backup is */
  async backup(caller: Caller, name: string, body: unknown): Promise<string> {
    const container = containerOf(
      (body as Record<string, unknown> | undefined)?.['storageResourceUri'],
      'storageResourceUri',
    )
    const { store, repository, keystore, activation, log, clock, stateDir } = this.#o
    const domainKey = await activation.domainKey(name)
    try {
      const vault = managedHsmVaultName(name)
      const db = store.db as Kysely<Tables>
      const { objects, rows } = await keysOf(db, vault)
      const versions: KeyVersionRow[] = []
      for (const row of rows) {
        const key = keyRows.fromRow({ ...row, shown_name: row.name })
        const secret = await keystore.exportKey(key.material, bindingOf(key))
        versions.push({ ...row, material: Buffer.from(secret).toString('base64') })
        secret.fill(0)
      }
      const content: Backup = {
        v: 1,
        hsm: name,
        objects,
        versions,
        definitions: (await repository.definitions(name)).filter(({ type }) => type === 'CustomRole'),
        assignments: await repository.assignments(name),
      }
      const plain = Buffer.from(JSON.stringify(content), 'utf8')
      const sealed = await sealerOf(domainKey).seal(plain, context)
      plain.fill(0)
      const folder = `mhsm-${name}-${clock
        .now()
        .toISOString()
        .replaceAll(/[^0-9]/g, '')}`
      const directory = join(stateDir, 'hsm-backups', container)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeFileAtomically(join(directory, folder), sealed)
      await log.append(this.#entry(caller, 'backup/start', name))
      return `https://${storageHost}/${container}/${folder}`
    } finally {
      domainKey.fill(0)
    }
  }

  /**
   * Replaces the HSM's keys with those in a backup, and adds its roles.
   * @param only restores this key alone; other keys and the roles stay unchanged
   */
  async restore(caller: Caller, name: string, body: unknown, only?: string): Promise<void> {
    const o = (body ?? {}) as Record<string, unknown>
    const parameters = (o['sasTokenParameters'] ?? {}) as Record<string, unknown>
    const container = containerOf(parameters['storageResourceUri'], 'sasTokenParameters.storageResourceUri')
    const folder = o[only === undefined ? 'folderToRestore' : 'folder']
    const content = await this.#open(name, container, folder)
    const { store, repository, keystore, log } = this.#o
    const vault = managedHsmVaultName(name)
    const wanted = <R extends { name: string }>(rows: R[]): R[] =>
      only === undefined ? rows : rows.filter((row) => row.name === only)
    const objects = wanted(content.objects)
    if (only !== undefined && objects.length === 0) {
      throw badParameter('The backup does not have this key.', {
        target: 'keyName',
        expected: 'a key of the backup',
        found: shown(only),
      })
    }
    const versions: KeyVersionRow[] = []
    for (const row of wanted(content.versions)) {
      const moved = { ...row, vault }
      const secret = Buffer.from(row.material, 'base64')
      const { material } = await keystore.importKey(
        secret,
        bindingOf(keyRows.fromRow({ ...moved, shown_name: row.name })),
      )
      versions.push({ ...moved, material: Buffer.from(material).toString('base64') })
    }
    await store.transaction(async (transaction) => {
      const tx = transaction as Transaction<Tables>
      if (only === undefined) await repository.removeKeys(transaction, name)
      else await removeKey(tx, vault, only)
      for (const row of objects)
        await tx
          .insertInto('key_object')
          .values({ ...row, vault })
          .execute()
      for (const row of versions) await tx.insertInto('key_version').values(row).execute()
      if (only === undefined) await this.#restoreRoles(transaction, name, content)
      await log.appendIn(transaction, this.#entry(caller, 'restore/start', name, only))
    })
  }

  async #restoreRoles(tx: DatabaseTransaction, name: string, content: Backup): Promise<void> {
    for (const definition of content.definitions) await this.#o.repository.putDefinition(tx, name, definition)
    for (const assignment of content.assignments) await this.#o.repository.insertAssignment(tx, name, assignment)
  }

  async #open(name: string, container: string, folder: unknown): Promise<Backup> {
    if (typeof folder !== 'string' || !folderPattern.test(folder)) {
      throw badParameter('The folder of the backup is invalid.', {
        target: 'folderToRestore',
        expected: 'mhsm-NAME-TIME',
        found: shown(folder),
      })
    }
    let sealed: Buffer
    try {
      sealed = await readFile(join(this.#o.stateDir, 'hsm-backups', container, folder))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw badParameter('There is no such backup.', {
        target: 'folderToRestore',
        expected: `a folder in ${container}`,
        found: folder,
      })
    }
    const domainKey = await this.#o.activation.domainKey(name)
    try {
      const plain = await sealerOf(domainKey).open(sealed, context)
      return JSON.parse(Buffer.from(plain).toString('utf8')) as Backup
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      throw badParameter('The backup cannot be decrypted: it was altered, or belongs to another security domain.', {
        target: 'folderToRestore',
        expected: `a backup of an HSM with the security domain of ${name}`,
        found: 'another',
        remedy: 'Upload the security domain of the HSM that was backed up into a new HSM, then restore there.',
      })
    } finally {
      domainKey.fill(0)
    }
  }

  #entry(caller: Caller, operation: string, name: string, only?: string): Parameters<OperationLog['append']>[0] {
    return {
      ...whoOf(caller),
      operation,
      vault: managedHsmVaultName(name),
      keyName: only ?? '',
      verdict: 'allowed',
    }
  }
}

const context = 'full-backup'
const sealerOf = (domainKey: Uint8Array): ReturnType<typeof createSealer> =>
  createSealer(domainKey).derive('managed-hsm')

/**
 * Rows of all complete keys. The two tables are read separately: a key created or purged in between has rows in one
 * only, and is left out.
 */
async function keysOf(db: Kysely<Tables>, vault: string): Promise<{ objects: KeyObjectRow[]; rows: KeyVersionRow[] }> {
  const objects = await db.selectFrom('key_object').selectAll().where('vault', '=', vault).execute()
  const rows = await db.selectFrom('key_version').selectAll().where('vault', '=', vault).execute()
  const [named, versioned] = [objects, rows].map((table) => new Set(table.map(({ name }) => name)))
  return {
    objects: objects.filter(({ name }) => versioned!.has(name)),
    rows: rows.filter(({ name }) => named!.has(name)),
  }
}

async function removeKey(tx: Transaction<Tables>, vault: string, name: string): Promise<void> {
  for (const table of ['key_version', 'key_object'] as const) {
    await tx.deleteFrom(table).where('vault', '=', vault).where('name', '=', name).execute()
  }
}

function containerOf(value: unknown, target: string): string {
  const match =
    typeof value === 'string' ? /^https:\/\/backup\.strongroom\.internal\/([a-z0-9-]{3,63})\/?$/.exec(value) : null
  if (match) return match[1]!
  throw badParameter('The container of the backup is invalid.', {
    target,
    expected: `https://${storageHost}/NAME, with 3 to 63 lower-case letters, digits and hyphens`,
    found: shown(value),
  })
}
