import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import { managedHsmHost } from '@strongroom/contract'
import { ServiceError, type Caller, type InstallationAuthority, type Sealer, type Store } from '@strongroom/platform'
import type { OperationLog } from '../log/operation-log.ts'
import { recordInHsmLog } from './record.ts'
import type { HsmRepository } from './repository.ts'
import { openRestoreBlob, parseHolders, sealSecurityDomain, thumbprintOf, transferKeyText } from './security-domain.ts'

const certificateDays = 30

interface Parts {
  store: Store
  repository: HsmRepository
  log: OperationLog
  sealer: Sealer
  authority: InstallationAuthority
}

/** The security domain of managed HSMs: downloading it activates the HSM; alternatively it is uploaded from another HSM. */
export class Activation {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  /**
   * The security domain for these holders. The first download makes the domain key and activates the HSM; a later one
   * gives the same domain to other holders.
   */
  async download(caller: Caller, name: string, body: unknown): Promise<string> {
    const { holders, required } = parseHolders(body)
    const { store, repository, sealer } = this.#o
    return store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at !== null) throw gone(name)
      const domainKey = row.domain_key === null ? randomBytes(32) : await this.#open(name, row.domain_key)
      try {
        const domain = await sealSecurityDomain({ domainKey, holders, required })
        if (row.domain_key === null) {
          const sealed = await sealer.seal(domainKey, contextOf(name))
          await repository.change(tx, name, { domain_key: Buffer.from(sealed).toString('base64') })
        }
        await recordInHsmLog(this.#o.log, tx, {
          by: caller,
          operation: 'securitydomain/download',
          name,
          subject: `${required} of ${holders.map(({ thumbprint }) => thumbprint).join(' ')}`,
        })
        return domain
      } finally {
        domainKey.fill(0)
      }
    })
  }

  /** Public key under which a security domain is uploaded; created on first use. */
  async transferKey(name: string): Promise<string> {
    const { store, repository, sealer, authority } = this.#o
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
    return store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at !== null) throw gone(name)
      this.#assertNotActivated(name, row.domain_key)
      const certificate = row.transfer_certificate === null ? undefined : new X509Certificate(row.transfer_certificate)
      if (certificate && Date.parse(certificate.validTo) > Date.now()) return transferKeyText(certificate.toString())
      const pem = await authority.issueCertificate({
        subject: `CN=${managedHsmHost(name)} security domain exchange,O=Strongroom`,
        publicKey: Uint8Array.from(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
        usages: ['keyEncipherment'],
        days: certificateDays,
      })
      const sealed = await sealer.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), transferContextOf(name))
      await repository.change(tx, name, {
        transfer_key: Buffer.from(sealed).toString('base64'),
        transfer_certificate: pem,
      })
      return transferKeyText(pem)
    })
  }

  /** Uploads another HSM's security domain, which lets its backups open here. Only into an HSM that has none. */
  async upload(caller: Caller, name: string, value: unknown): Promise<void> {
    const { store, repository, sealer } = this.#o
    await store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at !== null) throw gone(name)
      this.#assertNotActivated(name, row.domain_key)
      if (row.transfer_key === null || row.transfer_certificate === null) {
        throw new ServiceError({
          code: 'BadParameter',
          message: 'The exchange key of this HSM was never downloaded, so no upload can have been prepared for it.',
          target: name,
          remedy: 'Start with az keyvault security-domain init-recovery.',
        })
      }
      const pkcs8 = await sealer.open(Buffer.from(row.transfer_key, 'base64'), transferContextOf(name))
      const domainKey = await openRestoreBlob(value, {
        key: createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }),
        thumbprint: thumbprintOf(new X509Certificate(row.transfer_certificate).raw),
      })
      pkcs8.fill(0)
      const sealed = await sealer.seal(domainKey, contextOf(name))
      domainKey.fill(0)
      await repository.change(tx, name, {
        domain_key: Buffer.from(sealed).toString('base64'),
        transfer_key: null,
        transfer_certificate: null,
      })
      await recordInHsmLog(this.#o.log, tx, { by: caller, operation: 'securitydomain/upload', name })
    })
  }

  /** Equal for all HSMs with one security domain; reveals nothing about its key. */
  async fingerprint(name: string): Promise<string> {
    const domainKey = await this.domainKey(name)
    try {
      return createHmac('sha256', domainKey).update('fingerprint').digest('base64url')
    } finally {
      domainKey.fill(0)
    }
  }

  /** The domain key of an activated HSM; the caller overwrites it. */
  async domainKey(name: string): Promise<Uint8Array> {
    const { store, repository } = this.#o
    const row = await store.transaction((tx) => repository.lock(tx, name))
    if (!row || row.deleted_at !== null) throw gone(name)
    if (row.domain_key !== null) return this.#open(name, row.domain_key)
    throw new ServiceError({
      code: 'Forbidden',
      reason: 'HsmNotActivated',
      message: `The managed HSM ${name} is not activated.`,
      target: name,
      remedy: 'Download its security domain, or upload one.',
    })
  }

  #open(name: string, sealed: string): Promise<Uint8Array> {
    return this.#o.sealer.open(Buffer.from(sealed, 'base64'), contextOf(name))
  }

  #assertNotActivated(name: string, domainKey: string | null): void {
    if (domainKey === null) return
    throw new ServiceError({
      code: 'Conflict',
      message: `The managed HSM ${name} is already activated and has a security domain.`,
      target: name,
      expected: 'a newly created HSM',
      found: 'an activated one',
      remedy: 'Create a new managed HSM for the restore.',
    })
  }
}

const contextOf = (name: string): string => `domain-key/${name}`
const transferContextOf = (name: string): string => `transfer-key/${name}`

function gone(name: string): ServiceError {
  return new ServiceError({
    code: 'ManagedHsmNotFound',
    message: `The managed HSM '${name}' was not found.`,
    target: name,
    remedy: 'Check its name.',
  })
}
