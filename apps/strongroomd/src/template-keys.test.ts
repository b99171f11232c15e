import { defaultCvmReleasePolicy, vaultAudience, type KeyBundle, type SecretBundle } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

let installation: TestInstallation
const group = (): string => `${installation.subscription}/resourceGroups/rg`
const vault = (): string => `${group()}/providers/Microsoft.KeyVault/vaults/templated`
const administrator = '00482a5a-887f-4fb3-b363-3b7fe8e74483'

beforeAll(async () => {
  installation = await startTestInstallation()
  await installation.arm('PUT', group(), { location: 'westeurope' })
})
afterAll(() => installation?.close())

async function atVault<T>(path: string): Promise<T> {
  const { token } = await installation.owner.getToken(`${vaultAudience}/.default`)
  const url = `https://templated.vault.strongroom.internal${path}?api-version=7.4`
  return (await installation.wire.request<T>({ method: 'GET', url, token })).body
}

/** As in Microsoft's how-to for secure key release, rewritten: a vault, a releasable key, a secret. */
async function template(): Promise<object> {
  const apiVersion = '2023-07-01'
  const policy = defaultCvmReleasePolicy('https://sharedweu.weu.attest.strongroom.internal')
  return {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    parameters: { value: { type: 'secureString' } },
    variables: { policy },
    resources: [
      {
        type: 'Microsoft.KeyVault/vaults',
        apiVersion,
        name: 'templated',
        location: 'westeurope',
        properties: {
          tenantId: '[subscription().tenantId]',
          sku: { family: 'A', name: 'premium' },
          enableRbacAuthorization: true,
        },
      },
      {
        type: 'Microsoft.Authorization/roleAssignments',
        apiVersion: '2022-04-01',
        scope: 'Microsoft.KeyVault/vaults/templated',
        name: "[guid('templated')]",
        dependsOn: ["[resourceId('Microsoft.KeyVault/vaults', 'templated')]"],
        properties: {
          principalId: await objectIdOf(installation.owner),
          principalType: 'ServicePrincipal',
          roleDefinitionId: `[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${administrator}')]`,
        },
      },
      {
        type: 'Microsoft.KeyVault/vaults/keys',
        apiVersion,
        name: 'templated/disk',
        tags: { purpose: 'disk' },
        dependsOn: ["[resourceId('Microsoft.KeyVault/vaults', 'templated')]"],
        properties: {
          kty: 'RSA-HSM',
          keySize: 3072,
          keyOps: ['wrapKey', 'unwrapKey'],
          attributes: { enabled: true, exportable: true },
          release_policy: {
            contentType: 'application/json; charset=utf-8',
            data: "[base64(string(variables('policy')))]",
          },
          rotationPolicy: { lifetimeActions: [{ trigger: { timeAfterCreate: 'P90D' }, action: { type: 'rotate' } }] },
        },
      },
      {
        type: 'Microsoft.KeyVault/vaults/secrets',
        apiVersion,
        name: 'templated/word',
        dependsOn: ["[resourceId('Microsoft.KeyVault/vaults', 'templated')]"],
        properties: { value: "[parameters('value')]", contentType: 'text/plain', attributes: { enabled: true } },
      },
    ],
    outputs: {
      key: { type: 'string', value: "[reference('disk').keyUriWithVersion]" },
      secret: { type: 'string', value: "[reference('word').secretUri]" },
    },
  }
}

interface Deployed {
  properties: { outputs: Record<string, { value: string }>; provisioningState: string }
}
const deploy = async (name: string): Promise<Deployed> => {
  const path = `${group()}/providers/Microsoft.Resources/deployments/${name}`
  const properties = {
    mode: 'Incremental',
    template: await template(),
    parameters: { value: { value: 'open-sesame' } },
  }
  await installation.arm('PUT', path, { properties })
  for (;;) {
    const found = await installation.arm<Deployed>('GET', path)
    if (!['Running', 'Accepted'].includes(found.properties.provisioningState)) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe('a template with keys and secrets of its vault', () => {
  it('makes them in the key service, where their owner finds them', async () => {
    const { properties } = await deploy('one')
    expect(properties.provisioningState).toBe('Succeeded')
    const { key, attributes, release_policy, tags } = await atVault<KeyBundle>('/keys/disk')
    expect([key.kid, attributes.exportable, tags]).toEqual([
      properties.outputs['key']?.value,
      true,
      { purpose: 'disk' },
    ])
    expect(JSON.parse(Buffer.from(release_policy!.data, 'base64url').toString())).toEqual(
      defaultCvmReleasePolicy('https://sharedweu.weu.attest.strongroom.internal'),
    )
    expect(await atVault('/keys/disk/rotationpolicy')).toMatchObject({
      lifetimeActions: [{ trigger: { timeAfterCreate: 'P90D' }, action: { type: 'Rotate' } }],
    })
    expect(await atVault<SecretBundle>('/secrets/word')).toMatchObject({
      value: 'open-sesame',
      contentType: 'text/plain',
    })
    expect(properties.outputs['secret']?.value).toBe('https://templated.vault.strongroom.internal/secrets/word')
    expect(JSON.stringify(properties)).not.toContain('open-sesame')
  })

  it('leaves the key that is there as it is when it is deployed again', async () => {
    const before = await atVault<KeyBundle>('/keys/disk')
    expect((await deploy('two')).properties.provisioningState).toBe('Succeeded')
    expect(await atVault<KeyBundle>('/keys/disk')).toEqual(before)
  })

  it('shows a key with its size, and never the value of a secret', async () => {
    const key = await installation.arm<{ properties: object }>('GET', `${vault()}/keys/disk`)
    expect(key.properties).toMatchObject({ kty: 'RSA-HSM', keySize: 3072, keyOps: ['wrapKey', 'unwrapKey'] })
    const secret = await installation.arm('GET', `${vault()}/secrets/word`)
    expect(secret).toMatchObject({
      type: 'Microsoft.KeyVault/vaults/secrets',
      properties: { contentType: 'text/plain' },
    })
    expect(JSON.stringify(secret)).not.toContain('open-sesame')
  })

  it.each([
    ['keys/a_b', { kty: 'RSA' }],
    ['keys/none', {}],
    ['keys/soft', { kty: 'RSA', attributes: { exportable: true } }],
    ['secrets/none', { contentType: 'x' }],
  ])('is refused with what the key service does not take: %s', async (path, properties) => {
    await expect(installation.arm('PUT', `${vault()}/${path}`, { properties })).rejects.toMatchObject({ status: 400 })
  })
})
