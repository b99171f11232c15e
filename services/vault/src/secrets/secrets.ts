import { randomBytes } from 'node:crypto'
import { SealError, ServiceError, type Caller, type Clock, type Sealer, type Store } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf, type By } from '../log/who.ts'
import { assertUsable } from '../objects/usage.ts'
import { assertOrder, commonAttributesOf, objectOf, tagsOf, type CommonAttributes } from '../objects/attributes.ts'
import { Lifecycle, nameOf, type Place } from '../objects/lifecycle.ts'
import type { ObjectRepository } from '../objects/repository.ts'
import type { SecretVersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import type { SecretVersion } from './secret-version.ts'

const limits = { valueBytes: 25 * 1024, contentType: 255 }

export interface SecretsParts {
  store: Store
  repository: ObjectRepository<SecretVersion, SecretVersionRow>
  sealer: Sealer
  log: OperationLog
  clock: Clock
}

/** Operations on secrets. Permission has been checked before. */
export class Secrets extends Lifecycle<SecretVersion, SecretVersionRow> {
  readonly #o: SecretsParts

  constructor(o: SecretsParts) {
    super({ ...o, noun: 'Secret', entry: secretEntry })
    this.#o = o
  }

  /** A new secret, or a new version of an existing one. */
  async set(caller: Caller, place: Place, body: unknown): Promise<{ secret: SecretVersion; value: string }> {
    const { repository, store, log } = this.#o
    const o = objectOf(body, 'body')
    const value = valueOf(o.value)
    const settings = settingsOf(o)
    const name = nameOf(place)
    const now = this.now()
    const draft = {
      ...name,
      version: randomBytes(16).toString('hex'),
      enabled: settings.enabled ?? true,
      nbf: settings.nbf,
      exp: settings.exp,
      created: now,
      updated: now,
      tags: settings.tags ?? {},
      contentType: settings.contentType,
    }
    const sealed = await this.sealed(draft, value)
    const secret = await store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, name, place.name)
      this.assertWritable(object, place.name)
      const made: SecretVersion = { ...draft, sealed, shownName: object?.shown_name ?? place.name }
      await repository.insertVersion(tx, made)
      await log.appendIn(tx, secretEntry(caller, 'set', made))
      return made
    })
    return { secret, value }
  }

  /** Returns the value only for a version that is enabled and within its validity, and only after its log entry is written. */
  async read(
    caller: Caller,
    place: Place,
    version: string | undefined,
  ): Promise<{ secret: SecretVersion; value: string }> {
    const secret = await this.get(place, version)
    try {
      assertUsable(secret, { noun: 'secret', operation: 'get', at: this.#o.clock.now() })
    } catch (error) {
      if (error instanceof ServiceError) {
        await this.#o.log.append({ ...secretEntry(caller, 'get', secret), verdict: 'refused', code: error.code })
      }
      throw error
    }
    const value = await this.#open(secret)
    await this.#o.log.append(secretEntry(caller, 'get', secret))
    return { secret, value: Buffer.from(value).toString('utf8') }
  }

  async update(caller: Caller, place: Place, version: string | undefined, body: unknown): Promise<SecretVersion> {
    const { repository, store, log } = this.#o
    const change = settingsOf(objectOf(body ?? {}, 'body'))
    const found = await this.get(place, version)
    return store.transaction(async (tx) => {
      this.assertUnmanaged(await repository.lockObject(tx, found), place.name)
      const secret = await repository.version(found, tx)
      if (!secret) throw this.notFound(place.name, version)
      const [nbf, exp] = [change.nbf ?? secret.nbf, change.exp ?? secret.exp]
      assertOrder(nbf, exp)
      const changed: SecretVersion = {
        ...secret,
        enabled: change.enabled ?? secret.enabled,
        nbf,
        exp,
        tags: change.tags ?? secret.tags,
        contentType: change.contentType ?? secret.contentType,
        updated: this.now(),
      }
      await repository.updateVersion(tx, changed)
      await log.appendIn(tx, secretEntry(caller, 'update', changed))
      return changed
    })
  }

  /** A value for one version, as its row stores it. @throws ServiceError 400 BadParameter if it is too long */
  async sealed(secret: Pick<SecretVersion, 'vault' | 'name' | 'version'>, value: string): Promise<Uint8Array> {
    return await this.#o.sealer.seal(Buffer.from(valueOf(value), 'utf8'), contextOf(secret))
  }

  /** The same version for another vault. */
  async moved(secret: SecretVersion, to: Vault): Promise<SecretVersion> {
    const value = await this.#open(secret)
    const next = { ...secret, vault: to.name }
    try {
      return { ...next, sealed: await this.#o.sealer.seal(value, contextOf(next)) }
    } finally {
      value.fill(0)
    }
  }

  async #open(secret: SecretVersion): Promise<Uint8Array> {
    try {
      return await this.#o.sealer.open(secret.sealed, contextOf(secret))
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause
      throw new ServiceError({
        code: 'SecretUnreadable',
        message:
          `The value of the secret ${secret.name}/${secret.version} cannot be decrypted: the stored secret or the ` +
          'master key was changed.',
        target: `${secret.name}/${secret.version}`,
        remedy: 'Restore the state directory and the master key from the same backup.',
        cause,
      })
    }
  }
}

export function secretEntry(
  caller: By,
  operation: string,
  secret: Pick<SecretVersion, 'vault' | 'name' | 'version'>,
): LogEntry {
  return {
    ...whoOf(caller),
    operation: `secrets/${operation}`,
    vault: secret.vault,
    keyName: secret.name,
    keyVersion: secret.version,
    verdict: 'allowed',
  }
}

/** Parts cannot contain a slash: names and versions are checked. */
function contextOf(secret: Pick<SecretVersion, 'vault' | 'name' | 'version'>): string {
  return `secret/${secret.vault}/${secret.name}/${secret.version}`
}

function valueOf(value: unknown): string {
  if (typeof value !== 'string') {
    // Any other input may still be the secret.
    throw badParameter('The value of the secret is not a string.', {
      target: 'value',
      expected: 'a text',
      found: typeof value,
    })
  }
  const bytes = Buffer.byteLength(value, 'utf8')
  if (bytes <= limits.valueBytes) return value
  throw badParameter(`Secret value exceeds the maximum size of ${limits.valueBytes} bytes.`, {
    target: 'value',
    expected: `at most ${limits.valueBytes} bytes`,
    found: `${bytes} bytes`,
  })
}

function settingsOf(
  o: Record<string, unknown>,
): CommonAttributes & { tags: Record<string, string> | undefined; contentType: string | undefined } {
  const { contentType } = o
  const fits = typeof contentType === 'string' && contentType.length <= limits.contentType
  if (contentType !== undefined && contentType !== null && !fits) {
    throw badParameter('The content type is not a string, or is too long.', {
      target: 'contentType',
      expected: `a string of at most ${limits.contentType} characters`,
      found: shown(contentType),
    })
  }
  const attributes = o.attributes === undefined || o.attributes === null ? {} : objectOf(o.attributes, 'attributes')
  return {
    ...commonAttributesOf(attributes),
    tags: tagsOf(o.tags),
    contentType: fits ? contentType : undefined,
  }
}
