import {
  guestStateGenerationTag,
  platformVault,
  type GuestStateGeneration,
  type LatestLaunch,
  type ReleasedKey,
  type ReleasedKeyEnvelope,
  type ReleaseWrapping,
  type SignedLatestLaunch,
} from '@strongroom/contract'
import { guestStateGenerationRequest, keyPlacementRequest, quoteChallenge } from '@strongroom/contract/wires'
import { read, ServiceError, type Caller, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import { bundleOf, keyId } from '../keys/bundles.ts'
import { bindingOf, policyHash, type KeyVersion } from '../keys/key-version.ts'
import type { Keys } from '../keys/keys.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { Keystore } from '../keystore/keystore.ts'
import { releaseWrappings } from '../keystore/wrap.ts'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf } from '../log/who.ts'
import type { Place } from '../objects/lifecycle.ts'
import { assertUsable } from '../objects/usage.ts'
import type { CertifiedSigner } from '../signing/certified-signer.ts'
import { attestedLaunch, isBoot } from './attested.ts'
import type { Authorities } from './authorities.ts'
import { decideRelease } from './decision.ts'
import { assertPlaced, attestedEpoch, type KeyPlacements } from './placement.ts'
import type { VmFirmware } from './vm-firmware.ts'
import type { VmSettings } from './vm-settings.ts'
import { parseReleasePolicy } from '../keys/release-policy.ts'
import { tokenDigest, type AttestationToken } from './token.ts'
import { wrappingKeyOf } from './wrapping-key.ts'

interface Target extends Place {
  /** Undefined means the current version. */
  version: string | undefined
}

interface ReleaseParts {
  store: Store
  keys: Keys
  repository: KeyRepository
  keystore: Keystore
  log: OperationLog
  clock: Clock
  authorities: Authorities
  placements: KeyPlacements
  /** Absent if the installation lists no firmware. */
  firmware: VmFirmware | undefined
  settings: VmSettings
  signer: CertifiedSigner
}

/** Secure key release: a key leaves only for the environment that its policy describes, wrapped to the key inside its evidence. */
export class KeyRelease {
  readonly #o: ReleaseParts

  constructor(o: ReleaseParts) {
    this.#o = o
  }

  /** @returns the signed answer. Nothing leaves before its entry is in the operation log. */
  async release(caller: Caller, target: Target, request: { apiVersion: string; body: unknown }): Promise<string> {
    const body = fieldsOf(request.body)
    const enc = wrappingOf(body.enc)
    const nonce = nonceOf(body.nonce)
    return this.#decided(caller, 'release', target, body.target, async (key, token) => {
      const firmware = key.vault === platformVault ? (await this.#o.firmware?.admit(token.claims))?.tags : undefined
      const wrappingKey = wrappingKeyOf(token.claims)
      const ciphertext = await this.#o.keystore.wrapForRelease({
        material: key.material,
        binding: bindingOf(key),
        wrappingKey,
        algorithm: enc,
      })
      const envelope: ReleasedKeyEnvelope = {
        schema_version: '1.0',
        header: { kid: wrappingKey.kid, alg: 'dir', enc },
        ciphertext: Buffer.from(ciphertext).toString('base64url'),
      }
      const bundle = bundleOf(key, target.vault)
      const released: ReleasedKey = {
        request: {
          'api-version': request.apiVersion,
          enc,
          kid: keyId(key, target.version),
          ...(nonce !== undefined && { nonce }),
        },
        response: {
          key: {
            ...bundle,
            key: { ...bundle.key, key_hsm: Buffer.from(JSON.stringify(envelope)).toString('base64url') },
            tags: { ...bundle.tags, [guestStateGenerationTag]: String(key.guestStateGeneration), ...firmware },
          },
        },
      }
      const answer = await this.#o.signer.sign(released)
      const about = key.vault === platformVault ? epochText(attestedEpoch(token.claims)) : undefined
      const entry = { ...this.#entry(caller, 'release', key, { verdict: 'allowed', digest: token.digest }), ...about }
      // Only the platform's keys are placed. Placements are in the same log: one made after this entry is logged after
      // it, and one made before is visible here, including a first one made while the release was prepared.
      if (key.vault !== platformVault) await this.#o.log.append(entry)
      else
        await this.#o.log.appendWhere(entry, async (tx) => {
          const row = await this.#o.placements.find(key, tx)
          if (row !== undefined) assertPlaced(row, { claims: token.claims, placement: body.placement })
          await this.#o.settings.admit(tx, token.claims)
        })
      return answer
    })
  }

  /**
   * Raises the lowest generation of the guest state that counts as not rolled back. The token must satisfy the release
   * policy: someone who could not open the guest state cannot count it either. Each generation belongs to one launch: of two that
   * opened copies of one guest state, the second ends here, before its guest starts.
   */
  async advance(
    caller: Caller,
    target: Target & { version: string },
    requestBody: unknown,
  ): Promise<GuestStateGeneration> {
    const {
      generation,
      target: given,
      placement,
    } = read(guestStateGenerationRequest, requestBody, {
      code: 'BadParameter',
      subject: 'The generation of the guest state',
    })
    return this.#decided(caller, 'advanceGuestStateGeneration', target, given, async (key, token) => {
      const firmware = key.vault === platformVault ? await this.#o.firmware?.admit(token.claims) : undefined
      await this.#o.store.transaction(async (tx) => {
        await this.#assertPlaced(tx, key, { claims: token.claims, placement })
        const stored = await this.#o.repository.lockGeneration(tx, key)
        if (stored === undefined) throw this.#o.keys.notFound(target.name, target.version)
        if (generation < stored.guest_state_generation) throw tooOld(generation, stored.guest_state_generation)
        const boots = isBoot(token.claims)
        const launch = boots ? attestedLaunch(token.claims) : undefined
        // A boot repeats its own request. What opens a guest state without a guest is repeated as a whole after an interruption.
        const isRepeated = (launch ?? null) === stored.guest_state_launch && (launch !== undefined || !boots)
        if (generation === stored.guest_state_generation && !isRepeated) throw taken(generation)
        if (key.vault === platformVault) await this.#o.settings.admit(tx, token.claims)
        await firmware?.ran(tx)
        await this.#o.repository.setGeneration(tx, {
          vault: key.vault,
          name: key.name,
          version: key.version,
          generation,
          launch,
        })
        const outcome = { verdict: 'allowed', digest: token.digest } as const
        await this.#o.log.appendIn(tx, this.#entry(caller, 'advanceGuestStateGeneration', key, outcome))
      })
      return { generation }
    })
  }

  /** Which launch counted the guest state last, signed over the caller's nonce: no other life of the VM began later. */
  async latestLaunch(target: Target & { version: string }, requestBody: unknown): Promise<SignedLatestLaunch> {
    const about = { code: 'BadParameter', subject: 'The question for the latest launch' } as const
    const { nonce } = read(quoteChallenge, requestBody, about)
    const key = await this.#o.keys.get(target, target.version)
    const { guestStateGeneration: generation, guestStateLaunch: launch = null } = key
    const latestLaunch: LatestLaunch = { kid: keyId(key, target.version), nonce, generation, launch }
    return { value: await this.#o.signer.sign({ latestLaunch }) }
  }

  /** The resource manager's statement of where the key's VM is placed; requests from elsewhere are refused permanently. */
  async place(caller: Caller, target: Target & { version: string }, body: unknown): Promise<{ epoch: number }> {
    const key = await this.#o.keys.get(target, target.version)
    const { epoch, ticketSha256: ticket_hash } = read(keyPlacementRequest, body, {
      code: 'BadParameter',
      subject: 'The placement of the key',
    })
    const { vault, name, version } = key
    await this.#o.store.transaction(async (tx) => {
      await this.#o.placements.raise(tx, { vault, name, version, epoch, ticket_hash })
      const entry = this.#entry(caller, 'placeKey', key, { verdict: 'allowed', digest: tokenDigest(undefined) })
      await this.#o.log.appendIn(tx, { ...entry, ...epochText(epoch) })
    })
    return { epoch }
  }

  async #assertPlaced(
    tx: DatabaseTransaction,
    key: KeyVersion,
    o: { claims: Record<string, unknown>; placement: unknown },
  ): Promise<void> {
    const row = await this.#o.placements.lock(tx, key)
    if (row !== undefined) assertPlaced(row, o)
  }

  /** One read of the key serves the decision and what follows from it; a refusal is recorded and rethrown. */
  async #decided<T>(
    caller: Caller,
    operation: string,
    target: Target,
    token: unknown,
    then: (key: KeyVersion, token: AttestationToken) => Promise<T>,
  ): Promise<T> {
    const { keys, clock, authorities } = this.#o
    const key = await keys.get(target, target.version)
    try {
      const policy = usablePolicy(key, clock.now())
      return await then(key, await decideRelease({ policy, token, keys: authorities, clock }))
    } catch (error) {
      const code = error instanceof ServiceError ? error.code : 'InternalError'
      const outcome = { verdict: 'refused', digest: tokenDigest(token), code } as const
      await this.#o.log.append(this.#entry(caller, operation, key, outcome))
      throw error
    }
  }

  #entry(
    caller: Caller,
    operation: string,
    key: KeyVersion,
    { verdict, digest, code }: { verdict: LogEntry['verdict']; digest: string; code?: string },
  ): LogEntry {
    return {
      ...whoOf(caller),
      operation,
      vault: key.vault,
      keyName: key.name,
      keyVersion: key.version,
      verdict,
      tokenDigest: digest,
      policyHash: policyHash(key.policy),
      ...(code !== undefined && { code }),
    }
  }
}

/** The epoch in the log: it shows readers that no release to an earlier epoch follows a later one. */
const epochText = (epoch: unknown): Pick<LogEntry, 'subject'> =>
  Number.isSafeInteger(epoch) ? { subject: `epoch ${Number(epoch)}` } : {}

/** @throws ServiceError 403 if the key may not be used now, or may never be released */
function usablePolicy(key: KeyVersion, at: Date): ReturnType<typeof parseReleasePolicy> {
  if (!key.exportable || !key.policy) {
    throw new ServiceError({
      code: 'Forbidden',
      reason: 'KeyNotExportable',
      message: 'The key is not exportable.',
      target: `${key.name}/${key.version}`,
      expected: 'exportable',
      found: 'not exportable',
      remedy: 'Create a new key with attributes.exportable and a release policy.',
    })
  }
  assertUsable(key, { noun: 'key', operation: 'release', at })
  return parseReleasePolicy(key.policy.data)
}

function fieldsOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw badParameter('The request body is not valid.', {
    target: 'body',
    expected: 'an object with target',
    found: shown(body),
  })
}

function wrappingOf(value: unknown): ReleaseWrapping {
  if (value === undefined || value === null) return 'CKM_RSA_AES_KEY_WRAP'
  const wrapping = releaseWrappings.find((name) => name === value)
  if (wrapping) return wrapping
  throw badParameter('The key wrapping algorithm is not supported.', {
    target: 'enc',
    expected: releaseWrappings.join(', '),
    found: shown(value),
  })
}

function nonceOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= 1024) return value
  throw badParameter('The nonce is not a string.', {
    target: 'nonce',
    expected: 'at most 1024 characters',
    found: shown(value),
  })
}

function tooOld(generation: number, stored: number): ServiceError {
  return new ServiceError({
    code: 'GuestStateGenerationTooOld',
    message: 'The guest state is older than one this key has protected.',
    target: 'generation',
    expected: `${stored} or higher`,
    found: String(generation),
    remedy: 'Boot with the newest guest state; an older copy is refused as rolled back.',
  })
}

function taken(generation: number): ServiceError {
  return new ServiceError({
    code: 'GuestStateGenerationTaken',
    message: 'Another launch of this VM has counted this generation: copies of one guest state were started twice.',
    target: 'generation',
    expected: `${generation + 1} or higher, or the launch that counted ${generation}`,
    found: `${generation}, counted by another launch`,
    remedy: 'Start the VM once, with its newest guest state.',
  })
}
