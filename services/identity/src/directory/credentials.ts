import { createHash, X509Certificate } from 'node:crypto'
import { forUpdate, ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { tables, type CertificateRow, type FederatedCredentialRow, type Tables } from './store.ts'

const limit = 20

/** Applications' credentials besides secrets: certificates, and tokens of other issuers. */
export class Credentials {
  readonly #store: Store
  readonly #clock: Clock
  readonly #newId: () => string

  constructor(o: { store: Store; clock: Clock; newId: () => string }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#newId = o.newId
  }

  async certificates(appId: string): Promise<CertificateRow[]> {
    const query = tables(this.#store).selectFrom('certificate').selectAll().where('app_id', '=', appId.toLowerCase())
    return await query.orderBy('created_at').orderBy('id').execute()
  }

  /** @throws ServiceError InvalidCertificate, TooManyCredentials */
  async addCertificate(o: {
    appId: string
    der: Uint8Array
    displayName?: string
    id?: string
  }): Promise<CertificateRow> {
    const certificate = readCertificate(o.der)
    const thumbprint = (algorithm: string): string => createHash(algorithm).update(certificate.raw).digest('base64url')
    const row: CertificateRow = {
      id: o.id ?? this.#newId(),
      app_id: o.appId.toLowerCase(),
      sha1: thumbprint('sha1'),
      sha256: thumbprint('sha256'),
      der: certificate.raw.toString('base64'),
      display_name: o.displayName ?? certificate.subject.replaceAll('\n', ', '),
      not_before: new Date(certificate.validFrom).toISOString(),
      not_after: new Date(certificate.validTo).toISOString(),
      created_at: this.#clock.now().toISOString(),
    }
    const kept = await this.certificates(o.appId)
    const same = kept.find(({ sha256 }) => sha256 === row.sha256)
    if (same !== undefined) return same
    if (kept.length >= limit) throw tooMany()
    await tables(this.#store).insertInto('certificate').values(row).execute()
    return row
  }

  async removeCertificates(appId: string, keep: (row: CertificateRow) => boolean): Promise<void> {
    for (const row of await this.certificates(appId)) {
      if (!keep(row)) await tables(this.#store).deleteFrom('certificate').where('id', '=', row.id).execute()
    }
  }

  async federated(appId: string, db: Kysely<Tables> = tables(this.#store)): Promise<FederatedCredentialRow[]> {
    const query = db.selectFrom('federated_credential').selectAll()
    return await query.where('app_id', '=', appId.toLowerCase()).orderBy('name').execute()
  }

  /**
   * Adds one to a principal; concurrent additions are serialised.
   * @param o.replace whether one of the same name is changed
   * @throws ServiceError Request_MultipleObjectsWithSameKeyValue, TooManyCredentials, ManagedIdentityNotFound
   */
  async addFederated(o: {
    appId: string
    name: string
    issuer: string
    subject: string
    audience: string
    replace?: boolean
  }): Promise<FederatedCredentialRow> {
    return await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const appId = o.appId.toLowerCase()
      const owner = tx.selectFrom('principal').select('app_id').where('app_id', '=', appId)
      if ((await forUpdate(this.#store, owner).executeTakeFirst()) === undefined) throw noPrincipal(appId)
      const kept = await this.federated(appId, tx)
      const before = o.replace === true ? kept.find(({ name }) => sameName(name, o.name)) : undefined
      const others = kept.filter((row) => row !== before)
      const clash = others.find(
        (row) => sameName(row.name, o.name) || (row.issuer === o.issuer && row.subject === o.subject),
      )
      if (clash !== undefined) throw alreadyThere(o.name, clash)
      if (others.length >= limit) throw tooMany()
      const { issuer, subject, audience } = o
      const row: FederatedCredentialRow = {
        id: before?.id ?? this.#newId(),
        app_id: appId,
        name: before?.name ?? o.name,
        issuer,
        subject,
        audience,
        created_at: before?.created_at ?? this.#clock.now().toISOString(),
      }
      if (before === undefined) await tx.insertInto('federated_credential').values(row).execute()
      else await tx.updateTable('federated_credential').set(row).where('id', '=', row.id).execute()
      return row
    })
  }

  async removeFederated(appId: string, idOrName: string): Promise<boolean> {
    const row = (await this.federated(appId)).find(({ id, name }) => id === idOrName || sameName(name, idOrName))
    if (row === undefined) return false
    await tables(this.#store).deleteFrom('federated_credential').where('id', '=', row.id).execute()
    return true
  }
}

/** Credential names are parts of ids, which are case-insensitive. */
const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

const alreadyThere = (name: string, clash: FederatedCredentialRow): ServiceError =>
  new ServiceError({
    code: 'Request_MultipleObjectsWithSameKeyValue',
    message: `FederatedIdentityCredential with name ${name}, or with this issuer and subject, already exists.`,
    found: clash.name,
    remedy: 'Delete the other one first, or use another subject.',
  })

const noPrincipal = (appId: string): ServiceError =>
  new ServiceError({
    code: 'ManagedIdentityNotFound',
    message: 'There is no such principal.',
    found: appId,
    remedy: 'Create it first.',
  })

function readCertificate(der: Uint8Array): X509Certificate {
  let certificate: X509Certificate | undefined
  try {
    certificate = new X509Certificate(der)
  } catch {
    // Refused below.
  }
  const bits = certificate?.publicKey.asymmetricKeyDetails?.modulusLength ?? 0
  if (certificate?.publicKey.asymmetricKeyType === 'rsa' && bits >= 2048 && bits <= 8192) return certificate
  throw new ServiceError({
    code: 'InvalidCertificate',
    message: 'The key credential is not a certificate that applications can sign in by.',
    target: 'keyCredentials',
    expected: 'an X.509 certificate with an RSA key of 2048 to 8192 bits, base64 of its DER',
    found:
      certificate === undefined
        ? 'no certificate'
        : `a key of type ${certificate.publicKey.asymmetricKeyType} (${bits} bits)`,
    remedy: 'Create one with `openssl req -x509 -newkey rsa:2048`.',
  })
}

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'TooManyCredentials',
    message: `An application can have at most ${limit} credentials of each kind.`,
    remedy: 'Delete unused ones.',
  })
