import {
  defaultCvmReleasePolicy,
  homeRegion,
  keyAudience,
  principals,
  sharedAttestationHost,
  vaultHost,
} from '@strongroom/contract'
import type { Connection } from '../core/connection.ts'
import { apiVersions, type ArmClient } from '../client/arm.ts'
import { expectSuccess } from '../client/https.ts'
import { groupPath } from '../up/vm-network.ts'

const graph = 'https://graph.strongroom.internal'
const versions = { vaults: '2024-11-01', diskEncryptionSets: '2023-04-02', keys: '7.4', graph: 'v1.0' } as const
const name = 'drill'

/**
 * A customer's key, by the steps of Azure's guide for confidential VMs: a premium vault, a key that attested guests may
 * get, and a disk-encryption set whose identity may use it. @returns the set's resource id
 */
export async function makeCustomerKey(
  { arm, connection }: { arm: ArmClient; connection: Connection },
  group: string,
): Promise<string> {
  await arm.send('PUT', groupPath(arm, group), apiVersions.resources, { location: arm.region })
  const vault = `${groupPath(arm, group)}/providers/Microsoft.KeyVault/vaults/${name}`
  const { tenantId } = connection.server
  const mayUse = async (given: Record<string, string[]>): Promise<void> => {
    const accessPolicies = Object.entries(given).map(([objectId, keys]) => ({
      tenantId,
      objectId,
      permissions: { keys },
    }))
    const sku = { family: 'A', name: 'premium' }
    const properties = { tenantId, sku, enablePurgeProtection: true, enabledForDiskEncryption: true, accessPolicies }
    await arm.run('PUT', vault, versions.vaults, { location: arm.region, properties })
  }
  const owner = { [objectIdIn(await connection.ownerToken())]: ['all'] }
  await mayUse(owner)
  const keyUrl = await makeKey(connection)
  const set = `${groupPath(arm, group)}/providers/Microsoft.Compute/diskEncryptionSets/${name}`
  await arm.run('PUT', set, versions.diskEncryptionSets, {
    location: arm.region,
    identity: { type: 'SystemAssigned' },
    properties: { activeKey: { keyUrl }, encryptionType: 'ConfidentialVmEncryptedWithCustomerKey' },
  })
  const { identity } = await arm.get<{ identity: { principalId: string } }>(set, versions.diskEncryptionSets)
  await mayUse({
    ...owner,
    [identity.principalId]: ['get', 'wrapkey', 'unwrapkey'],
    [await orchestrator(connection)]: ['get', 'release'],
  })
  return set
}

/** As `az keyvault key create --kty RSA-HSM --exportable true --default-cvm-policy` creates it. @returns its id with version */
async function makeKey(connection: Connection): Promise<string> {
  const url = `https://${vaultHost(name)}/keys/disk`
  const policy = defaultCvmReleasePolicy(`https://${sharedAttestationHost(homeRegion.code)}`)
  const contentType = 'application/json; charset=utf-8'
  const made = await connection.https.request({
    method: 'POST',
    url: `${url}/create?api-version=${versions.keys}`,
    token: await connection.ownerToken(keyAudience(url)),
    body: {
      kty: 'RSA-HSM',
      key_size: 3072,
      attributes: { exportable: true },
      release_policy: { contentType, data: Buffer.from(JSON.stringify(policy)).toString('base64url') },
    },
  })
  return (expectSuccess(made).json as { key: { kid: string } }).key.kid
}

/** Object id of Azure's principal for releasing keys to confidential VMs. */
async function orchestrator(connection: Connection): Promise<string> {
  const url = `${graph}/${versions.graph}/servicePrincipals/appId='${principals.orchestrator.appId}'`
  const found = await connection.https.request({ method: 'GET', url, token: await connection.ownerToken(graph) })
  return (expectSuccess(found).json as { id: string }).id
}

const objectIdIn = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { oid: string }).oid
