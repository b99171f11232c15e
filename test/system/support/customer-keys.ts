import { randomUUID } from 'node:crypto'
import type { Response } from '../../../apps/cli/src/core/connection.ts'
import {
  defaultCvmReleasePolicy,
  homeRegion,
  keyAudience,
  managedHsmAudience,
  principals,
  sharedAttestationHost,
  type KeyBundle,
} from '@strongroom/contract'
import { connect } from '../../../apps/cli/src/client/connection.ts'
import { createHolder } from '../../../services/vault/src/testing/holders.ts'
import type { TestInstallation } from './installation.ts'
import { openArm } from './vm.ts'

const location = homeRegion.name
const authorization = '/providers/Microsoft.Authorization'
const graph = 'https://graph.strongroom.internal'

export interface MadeSet {
  id: string
  identity: { principalId: string; tenantId: string }
  properties: { provisioningState: string; activeKey: { keyUrl: string }; previousKeys: { keyUrl: string }[] }
}

const objectIdIn = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { oid: string }).oid

/** A customer: group, premium vault, managed HSM, keys and a disk encryption set, made by the steps of Azure's guide. */
export class Customer {
  readonly #installation: TestInstallation
  readonly group: string = 'customer'
  readonly vault: string = 'customer-box'
  readonly hsm: string = 'customer-pool'

  constructor(installation: TestInstallation) {
    this.#installation = installation
  }

  /** Calls the resource manager and returns refusals as answers. */
  async arm(method: string, path: string, body?: unknown, apiVersion = '2023-04-02'): Promise<Response> {
    const connection = await connect(this.#installation.stateDir)
    const url = `https://management.strongroom.internal${path}?api-version=${apiVersion}`
    return await connection.https.request({
      method,
      url,
      token: await connection.ownerToken(),
      ...(body !== undefined && { body }),
    })
  }

  /** Calls the key service as the owner and throws on a refusal. */
  async keys<T = KeyBundle>(method: string, url: string, body?: unknown): Promise<T> {
    const connection = await connect(this.#installation.stateDir)
    const token = await connection.ownerToken(keyAudience(url))
    const reply = await connection.https.request({
      method,
      url: `${url}?api-version=7.4`,
      token,
      ...(body !== undefined && { body }),
    })
    if (reply.status >= 300) throw new Error(`${method} ${url}: ${reply.status} ${reply.text}`)
    return reply.json as T
  }

  async path(type: string, name: string): Promise<string> {
    const { subscription } = await openArm(this.#installation)
    return `${subscription}/resourceGroups/${this.group}/providers/${type}/${name}`
  }

  setPath(): Promise<string> {
    return this.path('Microsoft.Compute/diskEncryptionSets', 'customer-set')
  }

  async orchestrator(): Promise<string> {
    const connection = await connect(this.#installation.stateDir)
    const url = `${graph}/v1.0/servicePrincipals/appId='${principals.orchestrator.appId}'`
    const reply = await connection.https.request({ method: 'GET', url, token: await connection.ownerToken(graph) })
    return (reply.json as { id: string }).id
  }

  async #made(method: string, path: string, body: unknown, apiVersion?: string): Promise<unknown> {
    const reply = await this.arm(method, path, body, apiVersion)
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`)
    return reply.json
  }

  /** The vault, with the owner as its administrator by access policies; what is given replaces the former ones. */
  async putVault(given: { objectId: string; keys: string[] }[] = []): Promise<void> {
    const connection = await connect(this.#installation.stateDir)
    const { tenantId } = connection.server
    const oid = objectIdIn(await connection.ownerToken())
    const policy = (objectId: string, keys: string[]): object => ({ tenantId, objectId, permissions: { keys } })
    await this.#made('PUT', (await this.path('x', '')).split('/providers/')[0]!, { location }, '2024-11-01')
    await this.#made('PUT', await this.path('Microsoft.KeyVault/vaults', this.vault), {
      location,
      properties: {
        tenantId,
        sku: { family: 'A', name: 'premium' },
        enablePurgeProtection: true,
        enabledForDiskEncryption: true,
        accessPolicies: [policy(oid, ['all']), ...given.map(({ objectId, keys }) => policy(objectId, keys))],
      },
    })
  }

  /** A managed HSM with its security domain downloaded, and its owner as crypto user and officer. */
  async makeHsm(): Promise<void> {
    const connection = await connect(this.#installation.stateDir)
    const oid = objectIdIn(await connection.ownerToken())
    await this.#made('PUT', await this.path('Microsoft.KeyVault/managedHSMs', this.hsm), {
      location,
      properties: { tenantId: connection.server.tenantId, initialAdminObjectIds: [oid], enablePurgeProtection: true },
    })
    const holders = ['h1', 'h2', 'h3'].map(createHolder)
    const url = `https://${this.hsm}.managedhsm.strongroom.internal/securitydomain/download?api-version=7.4`
    const body = { certificates: holders.map(({ jwk }) => jwk), required: 2 }
    const reply = await connection.https.request({
      method: 'POST',
      url,
      token: await connection.ownerToken(managedHsmAudience),
      body,
    })
    if (reply.status >= 300) throw new Error(reply.text)
    await this.giveHsmRole(oid, '21dbd100-6940-42c2-9190-5d6cb909625b', '/keys')
  }

  /** Assigns a local role of the managed HSM, by its id. */
  async giveHsmRole(principalId: string, role: string, scope: string): Promise<void> {
    const roleDefinitionId = `Microsoft.KeyVault${authorization}/roleDefinitions/${role}`
    const url = `https://${this.hsm}.managedhsm.strongroom.internal${scope}${authorization}/roleAssignments/${randomUUID()}`
    await this.keys('PUT', url, { properties: { roleDefinitionId, principalId } })
  }

  /** A version of a key as `az keyvault key create --kty RSA-HSM --exportable true --default-cvm-policy` makes it. */
  async makeKey(host: string): Promise<string> {
    const policy = defaultCvmReleasePolicy(`https://${sharedAttestationHost(homeRegion.code)}`)
    const made = await this.keys('POST', `https://${host}/keys/disk/create`, {
      kty: 'RSA-HSM',
      key_size: 3072,
      attributes: { exportable: true },
      release_policy: {
        contentType: 'application/json; charset=utf-8',
        data: Buffer.from(JSON.stringify(policy)).toString('base64url'),
      },
    })
    return made.key.kid
  }

  async makeSet(keyUrl: string): Promise<MadeSet> {
    return (await this.#made('PUT', await this.setPath(), {
      location,
      identity: { type: 'SystemAssigned' },
      properties: { activeKey: { keyUrl }, encryptionType: 'ConfidentialVmEncryptedWithCustomerKey' },
    })) as MadeSet
  }

  async set(): Promise<MadeSet> {
    return (await this.arm('GET', await this.setPath())).json as MadeSet
  }
}
