import { randomBytes } from 'node:crypto'
import { platformVault, type RotationPolicy } from '@strongroom/contract'
import { ServiceError, type Caller, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'
import type { KeySpec, Keystore } from '../keystore/keystore.ts'
import type { RemovedKeys } from './removed-keys.ts'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf, type By } from '../log/who.ts'
import { assertOrder } from '../objects/attributes.ts'
import { assertUsable } from '../objects/usage.ts'
import { Lifecycle, nameOf, type Place } from '../objects/lifecycle.ts'
import type { KeyObjectRow, KeyVersionRow } from '../store/tables.ts'
import { parseImport, type ImportRequest } from './import.ts'
import { parseCreate, parseUpdate, type KeyChange, type NewKey } from './input.ts'
import { bindingOf, policyHash, type KeyPolicy, type KeyVersion } from './key-version.ts'
import type { KeyRepository } from './repository.ts'
import { nextRotation } from './rotation-policy.ts'

export interface KeysParts {
  store: Store
  repository: KeyRepository
  keystore: Keystore
  log: OperationLog
  clock: Clock
  /** Purged keys that the keystore must destroy. */
  removed?: RemovedKeys
}

/** Source of a draft's material. */
type Make = (
  draft: KeyVersion,
) => Promise<Pick<KeyVersion, 'material'> & Partial<Pick<KeyVersion, 'publicParts' | 'spec'>>>

/** Operations on keys, except uses and release. Permission has been checked before. */
export class Keys extends Lifecycle<KeyVersion, KeyVersionRow> {
  readonly #o: KeysParts

  constructor(o: KeysParts) {
    super({ ...o, noun: 'Key', entry: keyEntry, afterPurge: o.removed && (() => o.removed!.destroy()) })
    this.#o = o
  }

  /** A new key, or a new version of an existing key. */
  async create(caller: Caller, place: Place, body: unknown): Promise<KeyVersion> {
    return this.add(caller, 'create', place, parseCreate(body, place.vault), (draft) =>
      this.#o.keystore.generate(draft.spec, bindingOf(draft)),
    )
  }

  /** Like `create`, for a key created elsewhere. */
  async importKey(caller: Caller, place: Place, body: unknown): Promise<KeyVersion> {
    const request = parseImport(body, place.vault)
    if (request.kind === 'wrapped') return this.#importWrapped(caller, place, request)
    const { secret, publicParts } = request.key
    try {
      return await this.add(caller, 'import', place, request.wanted, async (draft) => ({
        ...(await this.#o.keystore.importKey(secret, bindingOf(draft))),
        publicParts,
      }))
    } finally {
      secret.fill(0)
    }
  }

  /** Wrapped material is opened by a key of this vault with no other purpose; that use is logged as one. */
  async #importWrapped(
    caller: Caller,
    place: Place,
    { wanted, transfer }: Extract<ImportRequest, { kind: 'wrapped' }>,
  ): Promise<KeyVersion> {
    const { keystore, log, clock } = this.#o
    const { name, version } = transfer.exchange
    const exchange = await this.get({ vault: place.vault, name }, version)
    const bits = exchangeBits(exchange, clock.now())
    try {
      return await this.add(caller, 'import', place, wanted, async (draft) => {
        const made = await keystore.importWrapped({
          exchange: { material: exchange.material, binding: bindingOf(exchange), bits },
          wrapped: transfer.wrapped,
          algorithm: transfer.algorithm,
          spec: draft.spec,
          binding: bindingOf(draft),
        })
        await log.append(keyEntry(caller, 'unwrapKey', exchange))
        return { ...made, spec: { ...draft.spec, ...made.spec } as KeySpec }
      })
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code.startsWith('OperationLog')) throw error
      await log.append({ ...keyEntry(caller, 'unwrapKey', exchange), verdict: 'refused', code: error.code })
      throw error
    }
  }

  /** The step that creation, import and rotation share: nothing is stored before its material is. */
  async add(caller: By, operation: string, place: Place, wanted: NewKey, make: Make): Promise<KeyVersion> {
    const { repository, store, log } = this.#o
    const name = nameOf(place)
    this.assertWritable(await repository.object(name), place.name)
    const now = this.now()
    const draft: KeyVersion = {
      ...wanted,
      ...name,
      shownName: place.name,
      version: randomBytes(16).toString('hex'),
      created: now,
      updated: now,
      policy: wanted.policy && frozenInPlatform(place.vault.name, wanted.policy),
      guestStateGeneration: 0,
      publicParts: {},
      material: new Uint8Array(0),
    }
    // A token would keep a key that is created and then refused.
    await this.assertRoom(place)
    const made = await make(draft)
    return store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, name, place.name)
      // Deleted while the key was being created.
      this.assertWritable(object, place.name)
      await this.assertRoom(place, tx)
      const key: KeyVersion = { ...draft, ...made, shownName: object?.shown_name ?? place.name }
      await repository.insertVersion(tx, key)
      const policy = (object as KeyObjectRow | undefined)?.rotation_policy
      if (policy) {
        const rotateAt = nextRotation(JSON.parse(policy) as RotationPolicy, key)
        await repository.setRotation(tx, { ...name, rotateAt })
      }
      await log.appendIn(tx, keyEntry(caller, operation, key))
      return key
    })
  }

  /** @throws ServiceError 403 KeyLimitReached if a managed HSM is full */
  async assertRoom(place: Place, tx?: DatabaseTransaction): Promise<void> {
    if (!place.vault.hsm) return
    assertRoom(place.vault.name, place.name, await this.#o.repository.counts(nameOf(place), tx))
  }

  async update(caller: Caller, place: Place, version: string | undefined, body: unknown): Promise<KeyVersion> {
    const { repository, store, keystore, log } = this.#o
    const found = await this.get(place, version)
    const change = parseUpdate(body, found.spec.type)
    return store.transaction(async (tx) => {
      this.assertUnmanaged(await repository.lockObject(tx, found), place.name)
      const key = await repository.version(found, tx)
      if (!key) throw this.notFound(place.name, version)
      const changed = applied(key, change, this.now())
      if (policyHash(changed.policy) !== policyHash(key.policy)) {
        changed.material = await keystore.rebind(key.material, bindingOf(key), bindingOf(changed))
      }
      await repository.updateVersion(tx, changed)
      await log.appendIn(tx, keyEntry(caller, 'update', changed))
      return changed
    })
  }
}

export function keyEntry(caller: By, operation: string, key: KeyVersion): LogEntry {
  return {
    ...whoOf(caller),
    operation,
    vault: key.vault,
    keyName: key.name,
    keyVersion: key.version,
    verdict: 'allowed',
    policyHash: policyHash(key.policy),
  }
}

/** @throws ServiceError 403 if the key may not be used now; 400 BadParameter if it is not a key exchange key */
function exchangeBits(key: KeyVersion, at: Date): number {
  assertUsable(key, { noun: 'key', operation: 'import', at })
  if (key.spec.type === 'RSA' && key.spec.purpose === 'exchange') return key.spec.bits
  throw badParameter('The key that the import is wrapped to is not a key exchange key.', {
    target: 'key.key_hsm.header.kid',
    expected: "an RSA-HSM key with key_ops ['import'] alone",
    found: `${key.kty} with ${key.keyOps.join(', ')}`,
    remedy: 'Make a key exchange key in this vault, and wrap the key to it.',
  })
}

/** Azure's limits for a managed HSM; a vault has none. The new key's own row is already counted. */
const hsmLimits = { keys: 5000, versions: 100 }

/** @throws ServiceError 403 KeyLimitReached */
function assertRoom(vault: string, name: string, counts: { keys: number; versions: number }): void {
  const [what, limit, found] =
    counts.versions >= hsmLimits.versions
      ? [`versions of the key ${name}`, hsmLimits.versions, counts.versions]
      : [`keys in ${vault}`, hsmLimits.keys, counts.keys - 1]
  if (found < limit) return
  throw new ServiceError({
    code: 'Forbidden',
    reason: 'KeyLimitReached',
    message: `There are ${found} ${what}; a managed HSM holds no more.`,
    target: name,
    expected: `fewer than ${limit} ${what}, deleted ones included`,
    found: String(found),
    remedy: 'Purge keys that are deleted and not needed, or use another managed HSM.',
  })
}

/** In the platform vault every policy is immutable, even if not requested. */
function frozenInPlatform(vault: string, policy: KeyPolicy): KeyPolicy {
  return vault === platformVault ? { ...policy, immutable: true } : policy
}

function applied(key: KeyVersion, change: KeyChange, now: number): KeyVersion {
  if (change.exportable !== undefined && change.exportable !== key.exportable) {
    throw badParameter('AKV.SKR.1014: Cannot modify the exportable state of a key.', {
      target: 'attributes.exportable',
    })
  }
  if (change.policy && !key.policy) {
    throw badParameter('AKV.SKR.1005: Non-exportable keys must not have release policy.', { target: 'release_policy' })
  }
  const samePolicy = change.policy && key.policy && change.policy.data === key.policy.data
  if (change.policy && key.policy?.immutable && !samePolicy) {
    throw badParameter('AKV.SKR.1020: Immutable Key Release Policy cannot be modified.', {
      target: 'release_policy',
      remedy: 'Make a new version of the key with the new policy.',
    })
  }
  const policy = change.policy && {
    ...change.policy,
    immutable: change.policy.immutable || key.policy?.immutable === true,
  }
  const exchange = key.spec.type === 'RSA' && key.spec.purpose === 'exchange'
  if (change.keyOps && (exchange ? change.keyOps.join() !== 'import' : change.keyOps.includes('import'))) {
    throw badParameter('The operation import is given when a key is made, alone, and for all of its life.', {
      target: 'key_ops',
      expected: exchange ? "['import']" : 'key_ops without import',
      found: change.keyOps.join(', ') || 'none',
    })
  }
  const [nbf, exp] = [change.nbf ?? key.nbf, change.exp ?? key.exp]
  assertOrder(nbf, exp)
  return {
    ...key,
    keyOps: change.keyOps ?? key.keyOps,
    enabled: change.enabled ?? key.enabled,
    nbf,
    exp,
    tags: change.tags ?? key.tags,
    policy: policy ?? key.policy,
    updated: now,
  }
}
