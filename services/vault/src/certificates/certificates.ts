import { randomBytes, X509Certificate } from 'node:crypto'
import type { KeyOperation } from '@strongroom/contract'
import { ServiceError, type Caller, type DatabaseTransaction, type Logger } from '@strongroom/platform'
import { bindingOf, type KeyVersion } from '../keys/key-version.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { Keystore } from '../keystore/keystore.ts'
import type { LogEntry } from '../log/entry.ts'
import { vaultItself, whoOf, type By } from '../log/who.ts'
import { commonAttributesOf, objectOf, tagsOf } from '../objects/attributes.ts'
import { Lifecycle, nameOf, type LifecycleParts, type Place } from '../objects/lifecycle.ts'
import type { ObjectRepository } from '../objects/repository.ts'
import type { SecretVersion } from '../secrets/secret-version.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { CertificateVersionRow, SecretVersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import type { CertificateVersion } from './certificate-version.ts'
import { readImport } from './import.ts'
import { issueSelfSigned, requestSigned, spkiOf } from './issue.ts'
import { readChain } from './merge.ts'
import { pendingNotFound, type PendingCertificate, type PendingCertificates } from './pending.ts'
import { parsePolicy, renewAt, type CertificatePolicy } from './policy.ts'
import type { CertificateRepository } from './repository.ts'
import { secretValueOf } from './secret-value.ts'

interface Parts extends Omit<
  LifecycleParts<CertificateVersion, CertificateVersionRow>,
  'noun' | 'entry' | 'repository' | 'companions'
> {
  repository: CertificateRepository
  keyRepository: KeyRepository
  secretRepository: ObjectRepository<SecretVersion, SecretVersionRow>
  secrets: Secrets
  keystore: Keystore
  pending: PendingCertificates
  logger: Logger
  vault(name: string): Promise<Vault | undefined>
}

/** What a caller sets on a version besides its policy. */
interface Settings {
  enabled: boolean
  tags: Record<string, string>
}

/** A key created for a certificate, and the part of it that goes into the secret. */
interface Made {
  key: KeyVersion
  chain: Uint8Array[]
  /** PKCS#8 DER; undefined if the key stays inside. Overwritten at the end. */
  secret: Uint8Array | undefined
  policy: CertificatePolicy
}

/** A failed renewal is retried. */
const retrySeconds = 24 * 3600

/**
 * Certificates, each with a key and a secret of the same name and version, which only the certificate changes.
 * Permission has been checked before.
 */
export class Certificates extends Lifecycle<CertificateVersion, CertificateVersionRow> {
  readonly #o: Parts

  constructor(o: Parts) {
    super({ ...o, noun: 'Certificate', entry: certificateEntry, companions: [o.keyRepository, o.secretRepository] })
    this.#o = o
  }

  /** A new self-signed certificate, or a request for one; or a new version of an existing one. */
  async create(caller: By, place: Place, body: unknown): Promise<CertificateVersion | PendingCertificate> {
    const o = objectOf(body ?? {}, 'body')
    const before = await this.#o.repository.policy(nameOf(place))
    const policy = parsePolicy(o.policy, place.vault, before)
    return policy.issuer === 'Unknown'
      ? await this.#request(caller, place, policy, settingsOf(o))
      : await this.#issue(caller, place, policy, settingsOf(o))
  }

  /** A key and a certificate request, which waits until somebody signs it. */
  async #request(caller: By, place: Place, policy: CertificatePolicy, settings: Settings): Promise<PendingCertificate> {
    const { keystore, pending, repository, store, log } = this.#o
    const { key, same } = await this.#key(place, policy, settings)
    try {
      const made = { key, policy, csr: await requestSigned({ keystore, key, policy }) }
      await store.transaction(async (tx) => {
        const object = await repository.object(nameOf(place), tx)
        if (object !== undefined) this.assertWritable(object, place.name)
        await pending.insert(tx, made)
        await log.appendIn(tx, certificateEntry(caller, 'create', key))
      })
      return made
    } catch (error) {
      if (!same) await keystore.destroy(key.material, bindingOf(key))
      throw error
    }
  }

  /** The certificate that somebody signed for the pending key. @throws ServiceError PendingCertificateNotFound, 400 BadParameter */
  async merge(caller: Caller, place: Place, body: unknown): Promise<CertificateVersion> {
    const { keystore, pending } = this.#o
    const { key: waiting, policy } = await pending.get(place)
    const o = objectOf(body, 'body')
    const chain = readChain(o.x5c, spkiOf(waiting))
    const { enabled } = commonAttributesOf(objectOf(o.attributes ?? {}, 'attributes'))
    const tags = tagsOf(o.tags)
    const key = { ...waiting, ...(enabled !== undefined && { enabled }), ...(tags !== undefined && { tags }) }
    const secret = policy.exportable ? await keystore.exportKey(key.material, bindingOf(key)) : undefined
    try {
      return await this.#keep(caller, 'create', place, { key, chain, secret, policy }, async (tx) => {
        if (!(await pending.remove(tx, waiting))) throw pendingNotFound(place.name)
      })
    } finally {
      secret?.fill(0)
    }
  }

  /** Cancels the request and destroys its key. */
  async deletePending(caller: Caller, place: Place): Promise<PendingCertificate> {
    const { keystore, pending, store, log } = this.#o
    const found = await store.transaction(async (tx) => {
      const gone = await pending.get(place, tx)
      if (!(await pending.remove(tx, gone.key))) throw pendingNotFound(place.name)
      await log.appendIn(tx, certificateEntry(caller, 'delete', gone.key))
      return gone
    })
    await keystore.destroy(found.key.material, bindingOf(found.key))
    return found
  }

  /** The key of a new version: a new one, or the previous version's if the policy says so and it fits. */
  async #key(place: Place, policy: CertificatePolicy, settings: Settings): Promise<{ key: KeyVersion; same: boolean }> {
    const { keystore, keyRepository } = this.#o
    const draft = this.#draft(place, policy, settings)
    const before = policy.reuseKey ? await keyRepository.version(nameOf(place)) : undefined
    const same = before?.kty === policy.kty && JSON.stringify(before.spec) === JSON.stringify(policy.spec)
    const made =
      before !== undefined && same
        ? {
            publicParts: before.publicParts,
            material: await keystore.rebind(before.material, bindingOf(before), bindingOf(draft)),
          }
        : await keystore.generate(policy.spec, bindingOf(draft))
    return { key: { ...draft, ...made }, same }
  }

  async #issue(caller: By, place: Place, policy: CertificatePolicy, settings: Settings): Promise<CertificateVersion> {
    const { keystore, clock } = this.#o
    const { key, same } = await this.#key(place, policy, settings)
    let secret: Uint8Array | undefined
    try {
      secret = policy.exportable ? await keystore.exportKey(key.material, bindingOf(key)) : undefined
      const chain = [await issueSelfSigned({ keystore, key, policy, now: clock.now() })]
      return await this.#keep(caller, 'create', place, { key, chain, secret, policy })
    } catch (error) {
      // A token would keep a key that is created and then refused.
      if (!same) await keystore.destroy(key.material, bindingOf(key))
      throw error
    } finally {
      secret?.fill(0)
    }
  }

  /** A certificate created elsewhere, as PEM or PKCS#12. */
  async importCertificate(caller: Caller, place: Place, body: unknown): Promise<CertificateVersion> {
    const { keystore } = this.#o
    const o = objectOf(body, 'body')
    const outside = await readImport(o.value, o.pwd)
    const { key: found, chain } = outside
    const leaf = new X509Certificate(chain[0]!)
    const settled = {
      kty: found.spec.type === 'EC' ? ('EC' as const) : ('RSA' as const),
      spec: found.spec,
      subject: leaf.subject.replaceAll('\n', ', '),
      issuer: 'Unknown' as const,
    }
    const wanted = objectOf(o.policy ?? {}, 'policy')
    const secretProps = wanted.secret_props ?? { contentType: outside.contentType }
    const policy = parsePolicy({ ...wanted, secret_props: secretProps }, place.vault, undefined, settled)
    const draft = this.#draft(place, policy, settingsOf(o))
    const secret = policy.exportable ? Uint8Array.from(found.secret) : undefined
    try {
      const { material } = await keystore.importKey(found.secret, bindingOf(draft))
      const key = { ...draft, material, publicParts: found.publicParts }
      try {
        return await this.#keep(caller, 'import', place, { key, chain, secret, policy })
      } catch (error) {
        await keystore.destroy(material, bindingOf(key))
        throw error
      }
    } finally {
      found.secret.fill(0)
      secret?.fill(0)
    }
  }

  #draft(place: Place, policy: CertificatePolicy, settings: Settings): KeyVersion {
    const now = this.now()
    return {
      ...nameOf(place),
      ...settings,
      shownName: place.name,
      version: randomBytes(16).toString('hex'),
      nbf: undefined,
      exp: undefined,
      created: now,
      updated: now,
      kty: policy.kty,
      spec: policy.spec,
      keyOps: operationsOf(policy),
      publicParts: {},
      material: new Uint8Array(0),
      exportable: false,
      policy: undefined,
      guestStateGeneration: 0,
    }
  }

  /** Certificate, key and secret in one transaction, under one name and version. */
  async #keep(
    caller: By,
    operation: string,
    place: Place,
    { key: made, chain, secret, policy }: Made,
    also: (tx: DatabaseTransaction) => Promise<void> = async () => {},
  ): Promise<CertificateVersion> {
    const { repository, keyRepository, secretRepository, secrets, store, log } = this.#o
    const name = nameOf(place)
    const [cer] = chain
    const { validFromDate, validToDate } = new X509Certificate(cer!)
    const times = { nbf: secondsOf(validFromDate), exp: secondsOf(validToDate) }
    const key = { ...made, ...times }
    const value = await secretValueOf({ contentType: policy.contentType, key: secret, chain })
    const sealed = await secrets.sealed(key, value)
    return store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, name, place.name)
      this.assertWritable(object, place.name)
      await also(tx)
      for (const each of [keyRepository, secretRepository] as const) {
        const own = await each.lockObject(tx, name, place.name)
        if (own?.managed !== 1 && (await each.isUsed(tx, name))) throw nameInUse(place.name)
        await each.setManaged(tx, name)
      }
      const shownName = object?.shown_name ?? place.name
      const certificate: CertificateVersion = { ...commonOf(key), ...times, shownName, cer: cer! }
      await keyRepository.insertVersion(tx, { ...key, shownName })
      await secretRepository.insertVersion(tx, {
        ...commonOf(key),
        ...times,
        shownName,
        contentType: policy.contentType,
        sealed,
      })
      await repository.insertVersion(tx, certificate)
      await repository.setPolicy(tx, { ...name, policy, renewAt: renewAt(policy, times.nbf, times.exp) })
      await log.appendIn(tx, certificateEntry(caller, operation, certificate))
      return certificate
    })
  }

  /** Enabled state and tags; key and secret follow. */
  async update(caller: Caller, place: Place, version: string | undefined, body: unknown): Promise<CertificateVersion> {
    const { repository, keyRepository, secretRepository, store, log } = this.#o
    const o = objectOf(body ?? {}, 'body')
    const { enabled } = commonAttributesOf(objectOf(o.attributes ?? {}, 'attributes'))
    const tags = tagsOf(o.tags)
    const found = await this.get(place, version)
    return store.transaction(async (tx) => {
      this.assertWritable(await repository.lockObject(tx, found), place.name)
      const updated = this.now()
      const change = { updated, ...(enabled !== undefined && { enabled }), ...(tags !== undefined && { tags }) }
      await keyRepository.lockObject(tx, found)
      await secretRepository.lockObject(tx, found)
      const key = await keyRepository.version(found, tx)
      const secret = await secretRepository.version(found, tx)
      if (key !== undefined) await keyRepository.updateVersion(tx, { ...key, ...change })
      if (secret !== undefined) await secretRepository.updateVersion(tx, { ...secret, ...change })
      const changed = { ...((await repository.version(found, tx)) ?? found), ...change }
      await repository.updateVersion(tx, changed)
      await log.appendIn(tx, certificateEntry(caller, 'update', changed))
      return changed
    })
  }

  /** @throws ServiceError CertificateNotFound */
  async policy(place: Place, tx?: Parameters<CertificateRepository['policy']>[1]): Promise<CertificatePolicy> {
    const found = await this.#o.repository.policy(nameOf(place), tx)
    if (found !== undefined) return found
    throw this.notFound(place.name)
  }

  /** The policy of the next version. */
  async setPolicy(
    caller: Caller,
    place: Place,
    body: unknown,
  ): Promise<{ certificate: CertificateVersion; policy: CertificatePolicy }> {
    const { repository, store, log } = this.#o
    const certificate = await this.get(place)
    return store.transaction(async (tx) => {
      this.assertWritable(await repository.lockObject(tx, certificate), place.name)
      const before = await this.policy(place, tx)
      const settled = before.issuer === 'Unknown' ? before : undefined
      const policy = parsePolicy(body, place.vault, before, settled)
      const { nbf = 0, exp = 0 } = certificate
      await repository.setPolicy(tx, { ...nameOf(place), policy, renewAt: renewAt(policy, nbf, exp) })
      await log.appendIn(tx, certificateEntry(caller, 'update', certificate))
      return { certificate, policy }
    })
  }

  /** Renews what is due. A failure does not stop the others. @returns how many were renewed */
  async renewDue(): Promise<number> {
    const { repository, logger } = this.#o
    let renewed = 0
    for (const name of await repository.renewalDue(this.now(), 100)) {
      const vault = await this.#o.vault(name.vault)
      try {
        if (vault !== undefined) {
          const place = { vault, name: name.name }
          const { enabled, tags, shownName } = await this.get(place)
          await this.#issue(vaultItself, { ...place, name: shownName }, await this.policy(place), { enabled, tags })
          renewed += 1
          continue
        }
      } catch (error) {
        logger.error({ err: error, vault: name.vault, name: name.name }, 'a certificate could not be renewed')
      }
      await repository.postpone(name, this.now() + retrySeconds)
    }
    return renewed
  }
}

const commonOf = ({ vault, name, shownName, version, enabled, nbf, exp, created, updated, tags }: KeyVersion) => ({
  vault,
  name,
  shownName,
  version,
  enabled,
  nbf,
  exp,
  created,
  updated,
  tags,
})

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000)

function settingsOf(o: Record<string, unknown>): Settings {
  const { enabled } = commonAttributesOf(objectOf(o.attributes ?? {}, 'attributes'))
  return { enabled: enabled ?? true, tags: tagsOf(o.tags) ?? {} }
}

/** The key may do what the certificate's key usage allows. */
function operationsOf({ keyUsage, spec, issuer }: CertificatePolicy): KeyOperation[] {
  if (spec.type === 'EC') return ['sign', 'verify']
  const every: [boolean, KeyOperation[]][] = [
    [keyUsage.includes('dataEncipherment'), ['encrypt', 'decrypt']],
    [keyUsage.some((each) => each === 'digitalSignature' || each === 'nonRepudiation'), ['sign', 'verify']],
    [keyUsage.includes('keyEncipherment'), ['wrapKey', 'unwrapKey']],
  ]
  const found = every.flatMap(([isMeant, operations]) => (isMeant || issuer === 'Unknown' ? operations : []))
  return found.length > 0 ? found : ['sign', 'verify']
}

export function certificateEntry(
  caller: By,
  operation: string,
  certificate: Pick<CertificateVersion, 'vault' | 'name' | 'version'>,
): LogEntry {
  return {
    ...whoOf(caller),
    operation: `certificates/${operation}`,
    vault: certificate.vault,
    keyName: certificate.name,
    keyVersion: certificate.version,
    verdict: 'allowed',
  }
}

const nameInUse = (name: string): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    message: `A key or secret named ${name} exists in this vault and does not belong to a certificate.`,
    target: name,
    expected: 'a name that no key or secret has, deleted ones included',
    found: 'one in use',
    remedy: 'Use another name, or delete and purge the object that has it.',
  })
