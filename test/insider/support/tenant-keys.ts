import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import {
  loginHost,
  managedHsmAudience,
  managedHsmHost,
  managementAudience,
  managementHost,
  vaultAudience,
  vaultHost,
  type KeyBundle,
} from '@strongroom/contract'
import { issueSelfSigned } from '@strongroom/platform'
import type { RunningInstallation } from '../../../apps/strongroomd/src/compose.ts'

const vaultAdministrator = '00482a5a-887f-4fb3-b363-3b7fe8e74483'

const releaseUser = '08bbd89e-9f13-488c-ac41-acfcb10c90ab'

/** A key holder on the wire: a vault or a managed HSM, as its owner uses it. */
export interface KeyPlace {
  url: string
  audience: string
}

/** The owner of an installation as a tenant: only over the wire, with tokens from the sign-in. */
export class Tenant {
  readonly #running: RunningInstallation
  #objectId = ''

  private constructor(running: RunningInstallation) {
    this.#running = running
  }

  /** With the resource group `rg`. */
  static async of(running: RunningInstallation): Promise<Tenant> {
    const tenant = new Tenant(running)
    const token = await tenant.#token(managementAudience)
    tenant.#objectId = (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { oid: string }).oid
    await tenant.#arm('PUT', '/resourceGroups/rg', { location: 'westeurope' })
    return tenant
  }

  /** A premium vault, whose keys its owner administers. */
  async vault(name: string): Promise<KeyPlace> {
    const { tenantId } = this.#running.context.installation
    const id = `/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/${name}`
    const sku = { family: 'A', name: 'premium' }
    const properties = { tenantId, sku, enableRbacAuthorization: true }
    await this.#arm('PUT', id, { location: 'westeurope', properties })
    await this.#arm('PUT', `${id}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: {
        principalId: this.#objectId,
        principalType: 'ServicePrincipal',
        roleDefinitionId: `/x/${vaultAdministrator}`,
      },
    })
    return { url: `https://${vaultHost(name)}`, audience: vaultAudience }
  }

  /** Allows a principal to get the vault's keys released. */
  async letRelease(vaultName: string, principalId: string): Promise<void> {
    const id = `/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/${vaultName}`
    await this.#arm('PUT', `${id}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: { principalId, principalType: 'ServicePrincipal', roleDefinitionId: `/x/${releaseUser}` },
    })
  }

  /** A managed HSM, activated, whose owner creates keys in it and gets them released. */
  async managedHsm(name: string): Promise<KeyPlace> {
    const { tenantId } = this.#running.context.installation
    const properties = { tenantId, initialAdminObjectIds: [this.#objectId], softDeleteRetentionInDays: 7 }
    const sku = { family: 'B', name: 'Standard_B1' }
    await this.#arm('PUT', `/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/${name}`, {
      location: 'westeurope',
      sku,
      properties,
    })
    const place = { url: `https://${managedHsmHost(name)}`, audience: managedHsmAudience }
    const certificates = [holder(), holder(), holder()]
    await this.send(place, 'POST', '/securitydomain/download', { certificates, required: 2 })
    const authorization = '/providers/Microsoft.Authorization'
    const { value } = await this.send<{ value: { name: string; properties: { roleName: string } }[] }>(
      place,
      'GET',
      `${authorization}/roleDefinitions`,
    )
    for (const wanted of ['Managed HSM Crypto User', 'Managed HSM Crypto Service Release User']) {
      const role = value.find(({ properties: { roleName } }) => roleName === wanted)!.name
      await this.send(place, 'PUT', `${authorization}/roleAssignments/${randomUUID()}`, {
        properties: { principalId: this.#objectId, roleDefinitionId: `/x/${role}` },
      })
    }
    return place
  }

  /** An exportable RSA-HSM key under a policy. */
  async exportableKey(place: KeyPlace, name: string, policy: object): Promise<KeyBundle> {
    return await this.send<KeyBundle>(place, 'POST', `/keys/${name}/create`, {
      kty: 'RSA-HSM',
      key_size: 2048,
      attributes: { exportable: true },
      release_policy: { data: Buffer.from(JSON.stringify(policy)).toString('base64url') },
    })
  }

  /** @throws ServiceError as the service refused */
  async send<T>(place: KeyPlace, method: string, path: string, body?: unknown): Promise<T> {
    return await this.#send<T>(place.audience, method, `${place.url}${path}?api-version=7.5`, body)
  }

  async #arm(method: string, path: string, body: unknown): Promise<unknown> {
    const { subscriptionId } = this.#running.context.installation
    const url = `https://${managementHost}/subscriptions/${subscriptionId}${path}?api-version=2024-11-01`
    return await this.#send(managementAudience, method, url, body)
  }

  async #send<T>(audience: string, method: string, url: string, body?: unknown): Promise<T> {
    const token = await this.#token(audience)
    const { wire } = this.#running.context
    return (await wire.request<T>({ method, url, token, ...(body !== undefined && { body }) })).body
  }

  async #token(audience: string): Promise<string> {
    const { ownerAppId, ownerSecret, tenantId } = this.#running.firstStart!
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: ownerAppId,
      client_secret: ownerSecret,
      scope: `${audience}/.default`,
    })
    const { body } = await this.#running.context.wire.request<{ access_token: string }>({
      method: 'POST',
      url: `https://${loginHost}/${tenantId}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    })
    return body.access_token
  }
}

/** A security-domain holder who is never asked again. */
function holder(): { x5c: string[] } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const hour = 3600_000
  const pem = issueSelfSigned({
    subject: 'CN=holder',
    privateKey,
    usages: ['digitalSignature'],
    notBefore: new Date(Date.now() - hour),
    notAfter: new Date(Date.now() + hour),
  })
  return { x5c: [new X509Certificate(pem).raw.toString('base64')] }
}
