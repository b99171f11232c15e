import { createHash } from 'node:crypto'
import {
  platformKeyName,
  platformKeyReleasePolicy,
  platformVault,
  vaultAudience,
  vaultHost,
  type KeyBundle,
  type QuoteChallenge,
  type SignedLatestLaunch,
  type Tee,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'

import { type OnBehalfOf } from '../arm/on-behalf-of.ts'
import { ServiceClient } from './service-client.ts'
import type { GuestStateKeys, KeyPlacement } from './host.ts'

const query = '?api-version=7.4'
const bits = 3072
/** A verifier waits for it, no longer than for the guest. */
const latestLaunchMs = 2000
const tees: readonly Tee[] = ['SNP', 'TDX']

/** A release policy is fixed and names one technology: a converted VM gets another key. */
const convertedKeyName = (vmId: string, tee: Tee): string => `${platformKeyName(vmId)}-${tee.toLowerCase()}`

/** The platform-managed keys, one per VM, in the platform's vault. */
export class PlatformKeys implements GuestStateKeys {
  readonly #service: ServiceClient

  constructor(wire: WireClient, tokens: TokenSource) {
    const url = `https://${vaultHost(platformVault)}`
    this.#service = new ServiceClient(wire, tokens, { audience: vaultAudience, url, query, timeoutMs: 60_000 })
  }

  /**
   * The key's identifier with its version; creates the key if there is none. A second call finds the first one's key,
   * because creating again would add a version that does not wrap the guest state.
   */
  async ensure(o: Parameters<GuestStateKeys['ensure']>[0]): Promise<string> {
    const name = o.converted === true ? convertedKeyName(o.vmId, o.tee) : platformKeyName(o.vmId)
    const found = await this.#service.find<KeyBundle>('GET', `/keys/${name}`, { asker: o.asker })
    if (found !== undefined) return found.key.kid
    const attestationType = o.tee === 'SNP' ? 'sevsnpvm' : 'tdxvm'
    const rules = platformKeyReleasePolicy({ authority: o.authority, attestationType, vmId: o.vmId })
    const policy = Buffer.from(JSON.stringify(rules)).toString('base64url')
    const body = {
      kty: 'RSA-HSM',
      key_size: bits,
      key_ops: ['wrapKey', 'unwrapKey'],
      attributes: { enabled: true, exportable: true },
      release_policy: { contentType: 'application/json; charset=utf-8', data: policy, immutable: true },
      tags: { 'strongroom-vm': o.vmId },
    }
    const create = async (): Promise<KeyBundle> =>
      await this.#service.send<KeyBundle>('POST', `/keys/${name}/create`, { asker: o.asker, body })
    const made = await create().catch(async (error: unknown) => {
      // A destruction interrupted between delete and purge left the name taken.
      if (!(error instanceof ServiceError) || error.status !== 409) throw error
      await this.#service.find('DELETE', `/deletedkeys/${name}`, { asker: o.asker })
      return await create()
    })
    return made.key.kid
  }

  async place(keyId: string, { epoch, ticket }: KeyPlacement): Promise<void> {
    const ticketSha256 = createHash('sha256').update(ticket).digest('hex')
    await this.#service.send('PUT', `${new URL(keyId).pathname}/placement`, { body: { epoch, ticketSha256 } })
  }

  async latestLaunch(keyId: string, challenge: QuoteChallenge): Promise<string> {
    const asked = { body: challenge, timeoutMs: latestLaunchMs }
    const path = `${new URL(keyId).pathname}/latest-launch`
    return (await this.#service.send<SignedLatestLaunch>('POST', path, asked)).value
  }

  /** Deletes and purges: without it the guest state, and the disk behind it, stay locked forever. Idempotent. */
  async destroy(asker: OnBehalfOf, vmId: string): Promise<void> {
    const names = [platformKeyName(vmId), ...tees.map((tee) => convertedKeyName(vmId, tee))]
    for (const name of names) await this.#destroyName(asker, name)
  }

  async destroyKey(asker: OnBehalfOf, keyId: string): Promise<void> {
    await this.#destroyName(asker, new URL(keyId).pathname.split('/')[2] ?? '')
  }

  async #destroyName(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#service.find('DELETE', `/keys/${name}`, { asker })
    await this.#service.find('DELETE', `/deletedkeys/${name}`, { asker })
  }
}
