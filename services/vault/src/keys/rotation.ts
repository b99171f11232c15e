import { vaultHost, type KeyRotationPolicyBody, type RotationPolicy } from '@strongroom/contract'
import type { Caller, Logger } from '@strongroom/platform'
import { vaultItself, type By } from '../log/who.ts'
import { nameOf, type Place } from '../objects/lifecycle.ts'
import type { Vault } from '../vaults/vault.ts'
import { bindingOf, type KeyVersion } from './key-version.ts'
import { keyEntry, type Keys, type KeysParts } from './keys.ts'
import { defaultRotationPolicy, expiryOf, nextRotation, parseRotationPolicy } from './rotation-policy.ts'

/** When a failed rotation is retried. */
const retrySeconds = 24 * 3600

interface StoredPolicy extends RotationPolicy {
  created: number
  updated: number
}

/** New versions of keys, on request or when due by policy. */
export class Rotation {
  readonly #o: KeysParts & { keys: Keys; vault(name: string): Promise<Vault | undefined>; logger: Logger }

  constructor(o: KeysParts & { keys: Keys; vault(name: string): Promise<Vault | undefined>; logger: Logger }) {
    this.#o = o
  }

  async policy(place: Place): Promise<KeyRotationPolicyBody> {
    const key = await this.#o.keys.get(place)
    const stored = await this.#stored(place)
    return shownPolicy(key, stored ?? { ...defaultRotationPolicy, created: key.created, updated: key.created })
  }

  async setPolicy(caller: Caller, place: Place, body: unknown): Promise<KeyRotationPolicyBody> {
    const policy = parseRotationPolicy(body)
    const { store, repository, keys, log } = this.#o
    const now = keys.now()
    const before = await this.#stored(place)
    const stored: StoredPolicy = { ...policy, created: before?.created ?? now, updated: now }
    return store.transaction(async (tx) => {
      keys.assertUnmanaged(await repository.lockObject(tx, nameOf(place)), place.name)
      const key = await repository.version(nameOf(place), tx)
      if (!key) throw keys.notFound(place.name)
      await repository.setRotation(tx, {
        ...nameOf(place),
        policy: JSON.stringify(stored),
        rotateAt: nextRotation(policy, key),
      })
      await log.appendIn(tx, keyEntry(caller, 'setRotationPolicy', key))
      return shownPolicy(key, stored)
    })
  }

  /** A new version like the current one, with new material and the policy's expiry. */
  async rotate(caller: By, place: Place): Promise<KeyVersion> {
    const { keys, keystore } = this.#o
    const current = await keys.get(place)
    const stored = await this.#stored(place)
    return keys.add(
      caller,
      'rotate',
      { ...place, name: current.shownName },
      { ...current, enabled: true, nbf: undefined, exp: stored && expiryOf(stored, keys.now()) },
      (draft) => keystore.generate(draft.spec, bindingOf(draft)),
    )
  }

  /** Rotates what is due. A failure does not stop the others. Returns how many were rotated. */
  async rotateDue(): Promise<number> {
    const { repository, keys, logger } = this.#o
    let rotated = 0
    for (const name of await repository.rotationDue(keys.now(), 100)) {
      const vault = await this.#o.vault(name.vault)
      try {
        if (vault) {
          await this.rotate(vaultItself, { vault, name: name.name })
          rotated++
          continue
        }
      } catch (error) {
        logger.error({ err: error, vault: name.vault, name: name.name }, 'a key could not be rotated')
      }
      // In a deleted vault, or failing: makes room for others and is retried.
      const rotateAt = keys.now() + retrySeconds
      await this.#o.store.transaction((tx) => repository.setRotation(tx, { ...name, rotateAt }))
    }
    return rotated
  }

  async #stored(place: Place): Promise<StoredPolicy | undefined> {
    const text = await this.#o.repository.rotationPolicy(nameOf(place))
    return text === undefined ? undefined : (JSON.parse(text) as StoredPolicy)
  }
}

function shownPolicy(
  key: Pick<KeyVersion, 'vault' | 'shownName'>,
  { lifetimeActions, attributes, created, updated }: StoredPolicy,
): KeyRotationPolicyBody {
  return {
    id: `https://${vaultHost(key.vault)}/keys/${key.shownName}/rotationpolicy`,
    lifetimeActions,
    attributes: { ...attributes, created, updated },
  }
}
