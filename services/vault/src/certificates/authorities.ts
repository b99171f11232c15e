import { vaultHost } from '@strongroom/contract'
import { ServiceError, type Caller, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import { badParameter, shown } from '../errors.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf } from '../log/who.ts'
import { flagOf, objectOf } from '../objects/attributes.ts'
import { folded } from '../objects/names.ts'
import type { Tables } from '../store/migrations.ts'
import type { CertificateIssuerRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'

type Json = Record<string, unknown>

const limits = { text: 320, entries: 100 }

/** A vault's settings for one authority. Its account's password is accepted and discarded: no authority is contacted from here. */
interface IssuerSettings {
  provider: string
  accountId?: string
  organizationId?: string
  administrators: Json[]
  enabled: boolean
}

/** Certificate authorities and contacts of vaults: stored only. The authorities are not contacted, and nobody is mailed. */
export class CertificateAuthorities {
  readonly #o: { store: Store; log: OperationLog; clock: Clock }

  constructor(o: { store: Store; log: OperationLog; clock: Clock }) {
    this.#o = o
  }

  async issuer(vault: Vault, name: string): Promise<Json> {
    return issuerOf(await this.#find(vault, name))
  }

  /** By name, after `after`. */
  async issuers(vault: Vault, after: string, limit: number): Promise<{ cursor: string; item: Json }[]> {
    const rows = await this.#db
      .selectFrom('certificate_issuer')
      .selectAll()
      .where('vault', '=', vault.name)
      .where('name', '>', after)
      .orderBy('name')
      .limit(limit)
      .execute()
    return rows.map((row) => {
      const { id, provider } = issuerOf(row)
      return { cursor: row.name, item: { id, provider } }
    })
  }

  /** PUT replaces everything, PATCH what it names. */
  async setIssuer(caller: Caller, vault: Vault, name: string, body: unknown, whole: boolean): Promise<Json> {
    const { store, clock } = this.#o
    return await store.transaction(async (tx) => {
      const before = await this.#row(vault, name, tx)
      if (before === undefined && !whole) throw issuerNotFound(name)
      const settings = readIssuer(body, whole || before === undefined ? undefined : settingsOf(before))
      const now = Math.floor(clock.now().getTime() / 1000)
      const row: CertificateIssuerRow = {
        vault: vault.name,
        name: folded(name),
        shown_name: before?.shown_name ?? name,
        settings: JSON.stringify(settings),
        created: before?.created ?? now,
        updated: now,
      }
      const db = tx as Transaction<Tables>
      if (before === undefined) {
        await assertRoom(db, vault)
        await db.insertInto('certificate_issuer').values(row).execute()
      } else await inVault(db, row).set({ settings: row.settings, updated: now }).execute()
      await this.#record(tx, caller, vault, 'setIssuers', row.name)
      return issuerOf(row)
    })
  }

  async deleteIssuer(caller: Caller, vault: Vault, name: string): Promise<Json> {
    return await this.#o.store.transaction(async (tx) => {
      const row = await this.#find(vault, name, tx)
      await (tx as Transaction<Tables>)
        .deleteFrom('certificate_issuer')
        .where('vault', '=', vault.name)
        .where('name', '=', row.name)
        .execute()
      await this.#record(tx, caller, vault, 'deleteIssuers', row.name)
      return issuerOf(row)
    })
  }

  /** @throws ServiceError CertificateContactsNotFound */
  async contacts(vault: Vault, tx?: DatabaseTransaction): Promise<Json> {
    const db = (tx as Transaction<Tables> | undefined) ?? this.#db
    const row = await db
      .selectFrom('certificate_contacts')
      .selectAll()
      .where('vault', '=', vault.name)
      .executeTakeFirst()
    if (row !== undefined) return contactsOf(vault, JSON.parse(row.contacts) as Json[])
    throw new ServiceError({
      code: 'CertificateContactsNotFound',
      message: 'Contacts not found',
    })
  }

  async setContacts(caller: Caller, vault: Vault, body: unknown): Promise<Json> {
    const found = people(objectOf(body, 'body').contacts, 'contacts', ['name', 'phone'])
    if (found.length === 0)
      throw badParameter('There are no contacts.', { target: 'contacts', expected: 'at least one', found: 'none' })
    const contacts = JSON.stringify(found)
    await this.#o.store.transaction(async (tx) => {
      await (tx as Transaction<Tables>)
        .insertInto('certificate_contacts')
        .values({ vault: vault.name, contacts })
        .onConflict((conflict) => conflict.column('vault').doUpdateSet({ contacts }))
        .execute()
      await this.#record(tx, caller, vault, 'manageContacts', '')
    })
    return contactsOf(vault, found)
  }

  async deleteContacts(caller: Caller, vault: Vault): Promise<Json> {
    return await this.#o.store.transaction(async (tx) => {
      const gone = await this.contacts(vault, tx)
      await (tx as Transaction<Tables>).deleteFrom('certificate_contacts').where('vault', '=', vault.name).execute()
      await this.#record(tx, caller, vault, 'manageContacts', '')
      return gone
    })
  }

  get #db(): Kysely<Tables> {
    return this.#o.store.db as Kysely<Tables>
  }

  async #row(vault: Vault, name: string, tx?: DatabaseTransaction): Promise<CertificateIssuerRow | undefined> {
    const db = (tx as Transaction<Tables> | undefined) ?? this.#db
    return await db
      .selectFrom('certificate_issuer')
      .selectAll()
      .where('vault', '=', vault.name)
      .where('name', '=', folded(name))
      .executeTakeFirst()
  }

  async #find(vault: Vault, name: string, tx?: DatabaseTransaction): Promise<CertificateIssuerRow> {
    const row = await this.#row(vault, name, tx)
    if (row === undefined) throw issuerNotFound(name)
    return row
  }

  async #record(tx: DatabaseTransaction, caller: Caller, vault: Vault, what: string, name: string): Promise<void> {
    const operation = `certificates/${what}`
    await this.#o.log.appendIn(tx, {
      ...whoOf(caller),
      operation,
      vault: vault.name,
      keyName: name,
      verdict: 'allowed',
    })
  }
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- Kysely's own type of a query
const inVault = (db: Transaction<Tables>, { vault, name }: CertificateIssuerRow) =>
  db.updateTable('certificate_issuer').where('vault', '=', vault).where('name', '=', name)

async function assertRoom(db: Transaction<Tables>, vault: Vault): Promise<void> {
  const rows = await db.selectFrom('certificate_issuer').select('name').where('vault', '=', vault.name).limit(limits.entries).execute() // prettier-ignore
  if (rows.length < limits.entries) return
  throw badParameter('The vault has reached its limit on certificate issuers.', {
    target: 'issuers',
    expected: `at most ${limits.entries}`,
    found: `${rows.length}`,
    remedy: 'Delete one: az keyvault certificate issuer delete.',
  })
}

const settingsOf = (row: CertificateIssuerRow): IssuerSettings => JSON.parse(row.settings) as IssuerSettings

function readIssuer(body: unknown, before: IssuerSettings | undefined): IssuerSettings {
  const o = objectOf(body, 'body')
  const credentials = objectOf(o.credentials ?? {}, 'credentials')
  const organization = objectOf(o.org_details ?? {}, 'org_details')
  text(credentials.pwd, 'credentials.pwd')
  const provider = text(o.provider, 'provider') ?? before?.provider
  if (provider === undefined || provider === '')
    throw badParameter('The issuer has no provider.', { target: 'provider', expected: 'a name such as DigiCert', found: 'none' }) // prettier-ignore
  const accountId = text(credentials.account_id, 'credentials.account_id') ?? before?.accountId
  const organizationId = text(organization.id, 'org_details.id') ?? before?.organizationId
  const admins = organization.admin_details
  return {
    provider,
    ...(accountId !== undefined && { accountId }),
    ...(organizationId !== undefined && { organizationId }),
    administrators:
      admins === undefined || admins === null
        ? (before?.administrators ?? [])
        : people(admins, 'org_details.admin_details', ['first_name', 'last_name', 'phone']),
    enabled:
      flagOf(objectOf(o.attributes ?? {}, 'attributes').enabled, 'attributes.enabled') ?? before?.enabled ?? true,
  }
}

function text(value: unknown, target: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= limits.text && !/\p{Cc}/u.test(value)) return value
  // The input may be a password.
  throw badParameter(`${target} is not a string, or is too long.`, { target, expected: `a string of at most ${limits.text} characters`, found: typeof value }) // prettier-ignore
}

/** Entries with an address each, and optional further members. */
function people(value: unknown, target: string, members: readonly string[]): Json[] {
  if (!Array.isArray(value) || value.length > limits.entries)
    throw badParameter(`${target} is not a list.`, { target, expected: `a list of at most ${limits.entries}`, found: shown(typeof value) }) // prettier-ignore
  return value.map((each: unknown, index) => {
    const at = `${target}[${index}]`
    const o = objectOf(each, at)
    const email = text(o.email, `${at}.email`)
    if (email === undefined || !/^[^\s@]+@[^\s@]+$/.test(email))
      throw badParameter('There is no e-mail address.', { target: `${at}.email`, expected: 'an e-mail address', found: shown(email ?? 'none') }) // prettier-ignore
    const more = members.flatMap((member) => {
      const found = text(o[member], `${at}.${member}`)
      return found === undefined ? [] : [[member, found]]
    })
    return { email, ...(Object.fromEntries(more) as Json) }
  })
}

function issuerOf(row: CertificateIssuerRow): Json {
  const { provider, accountId, organizationId, administrators, enabled } = settingsOf(row)
  return {
    id: `https://${vaultHost(row.vault)}/certificates/issuers/${row.shown_name}`,
    provider,
    ...(accountId !== undefined && { credentials: { account_id: accountId } }),
    org_details: { ...(organizationId !== undefined && { id: organizationId }), zip: 0, admin_details: administrators },
    attributes: { enabled, created: Number(row.created), updated: Number(row.updated) },
  }
}

const contactsOf = (vault: Vault, contacts: Json[]): Json => ({
  id: `https://${vaultHost(vault.name)}/certificates/contacts`,
  contacts,
})

const issuerNotFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'CertificateIssuerNotFound',
    message: `A certificate issuer with (name/id) ${name} was not found in this key vault.`,
    target: name,
    remedy: 'List them: az keyvault certificate issuer list.',
  })
