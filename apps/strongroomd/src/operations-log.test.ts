import { randomUUID } from 'node:crypto'
import { onBehalfOfHeader, defaultCvmReleasePolicy, vaultAudience, type KeyBundle } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

type Entry = Record<string, unknown> & { via?: { service: string; objectId: string } }

let installation: TestInstallation
let me: string
const group = (): string => `${installation.subscription}/resourceGroups/rg`
const vaultPath = (): string => `${group()}/providers/Microsoft.KeyVault/vaults/asked`
const host = 'asked.vault.strongroom.internal'

async function atVault<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
  const { token } = await installation.owner.getToken(`${vaultAudience}/.default`)
  const url = `https://${host}${path}?api-version=7.4`
  const request = { method, url, token, ...(body !== undefined && { body }), ...(headers && { headers }) }
  return (await installation.wire.request<T>(request)).body
}

/** The vault's log, with fewer entries than a tile: each is preceded by its length in two bytes. */
async function entries(): Promise<Entry[]> {
  const { token } = await installation.owner.getToken(`${vaultAudience}/.default`)
  const fetch = async (path: string): Promise<Buffer> => {
    const url = `https://${host}/operationlog/${path}`
    return Buffer.from(
      (await installation.wire.request<Uint8Array>({ method: 'GET', url, token, accept: 'bytes' })).body,
    )
  }
  const size = (await fetch('checkpoint')).toString('utf8').split('\n')[1]
  const bundle = await fetch(`tile/entries/000.p/${size}`)
  const found: Entry[] = []
  for (let at = 0; at < bundle.length;) {
    const end = at + 2 + bundle.readUInt16BE(at)
    found.push(JSON.parse(bundle.toString('utf8', at + 2, end)) as Entry)
    at = end
  }
  return found
}

beforeAll(async () => {
  installation = await startTestInstallation()
  me = await objectIdOf(installation.owner)
  await installation.arm('PUT', group(), { location: 'westeurope' })
})

afterAll(() => installation?.close())

describe('the operations log of a whole installation', () => {
  it('names who asked through the resource manager, and whose key a disk-encryption set has judged', async () => {
    await installation.arm('PUT', vaultPath(), {
      location: 'westeurope',
      properties: {
        tenantId: installation.tenantId,
        sku: { family: 'A', name: 'premium' },
        enableRbacAuthorization: true,
        enablePurgeProtection: true,
        enabledForDiskEncryption: true,
      },
    })
    const identityPath = `${group()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana`
    const identity = await installation.arm<{ properties: { principalId: string } }>('PUT', identityPath, {
      location: 'westeurope',
    })
    const { principalId } = identity.properties
    const administrator = '00482a5a-887f-4fb3-b363-3b7fe8e74483'
    for (const holder of [me, principalId])
      await installation.arm(
        'PUT',
        `${vaultPath()}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`,
        {
          properties: {
            principalId: holder,
            roleDefinitionId: `/x/${administrator}`,
            principalType: 'ServicePrincipal',
          },
        },
      )
    const policy = Buffer.from(
      JSON.stringify(defaultCvmReleasePolicy('https://sharedweu.weu.attest.strongroom.internal')),
    ).toString('base64url')
    const { key } = await atVault<KeyBundle>('POST', '/keys/disk/create', {
      kty: 'RSA-HSM',
      key_size: 3072,
      key_ops: ['wrapKey', 'unwrapKey'],
      attributes: { exportable: true },
      release_policy: { data: policy },
    })
    await installation.arm('PUT', `${group()}/providers/Microsoft.Compute/diskEncryptionSets/set`, {
      location: 'westeurope',
      identity: { type: 'UserAssigned', userAssignedIdentities: { [identityPath]: {} } },
      properties: { activeKey: { keyUrl: key.kid }, encryptionType: 'ConfidentialVmEncryptedWithCustomerKey' },
    })
    const log = await entries()
    const of = (operation: string): Entry => log.find((entry) => entry['operation'] === operation)!
    expect(of('vault/create')).toMatchObject({ objectId: me, via: { service: 'control-plane' } })
    expect(of('vault/update')).toMatchObject({ objectId: me, via: { service: 'control-plane' } })
    for (const use of ['wrapKey', 'unwrapKey'])
      expect(of(use)).toMatchObject({
        objectId: me,
        verdict: 'allowed',
        via: { service: 'control-plane', objectId: principalId },
      })
    // The owner's own operations at the vault are direct.
    expect(of('create')).toMatchObject({ objectId: me })
    expect(of('create')).not.toHaveProperty('via')
    expect(of('vault/create').via?.objectId).not.toBe(me)
  })

  it('takes nobody’s word for another’s asking', async () => {
    const before = (await entries()).length
    const forged = { [onBehalfOfHeader]: `${randomUUID()} ${randomUUID()}` }
    await expect(atVault('POST', '/keys/forged/create', { kty: 'EC' }, forged)).rejects.toMatchObject({
      status: 403,
      code: 'Forbidden',
      target: onBehalfOfHeader,
    })
    expect(await entries()).toHaveLength(before)
  })
})
