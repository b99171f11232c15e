import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { KeyVaultManagementClient } from '@azure/arm-keyvault'
import { CryptographyClient, KeyClient, type KeyVaultKey } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'
import { managementHost } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

/** Azure's own clients, unmodified, against a whole installation: names by its proxy, TLS by its authority, challenge and sign-in. */
let installation: TestInstallation
let me: string

beforeAll(async () => {
  installation = await startTestInstallation()
  me = await objectIdOf(installation.owner)
  await installation.arm('PUT', `${installation.subscription}/resourceGroups/rg`, { location: 'westeurope' })
})

afterAll(() => installation?.close())

const roleIds = {
  administrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
}

const management = (): KeyVaultManagementClient =>
  new KeyVaultManagementClient(installation.owner, installation.running.context.installation.subscriptionId, {
    ...installation.clientOptions,
    endpoint: `https://${managementHost}`,
    credentials: { scopes: ['https://management.azure.com/.default'] },
  })
/** Verification of the challenge's resource stays on. */
const keys = (vault: string): KeyClient =>
  new KeyClient(`https://${vault}.vault.strongroom.internal`, installation.owner, installation.clientOptions)
const secrets = (vault: string): SecretClient =>
  new SecretClient(`https://${vault}.vault.strongroom.internal`, installation.owner, installation.clientOptions)

const vaultId = (name: string): string =>
  `${installation.subscription}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/${name}`

async function makeVault(name: string, o: { role?: string } = { role: roleIds.administrator }): Promise<void> {
  await management().vaults.createOrUpdate('rg', name, {
    location: 'westeurope',
    properties: {
      tenantId: installation.tenantId,
      sku: { family: 'A', name: 'premium' },
      enableRbacAuthorization: true,
    },
  })
  if (o.role !== undefined) await assignRole(name, o.role)
}

async function assignRole(name: string, role: string): Promise<string> {
  const path = `${vaultId(name)}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
  await installation.arm('PUT', path, {
    properties: { principalId: me, roleDefinitionId: `/x/${role}`, principalType: 'ServicePrincipal' },
  })
  return path
}

async function refusal(work: Promise<unknown>): Promise<{ statusCode: number; code: string; message: string }> {
  const error = (await work.then(
    () => undefined,
    (caught: unknown) => caught,
  )) as { statusCode: number; code: string; message: string } | undefined
  if (error === undefined) throw new Error('it was done')
  return error
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of pages) found.push(item)
  return found
}

describe('vaults, driven by @azure/arm-keyvault', () => {
  it('are made, listed, updated, deleted, recovered and purged', async () => {
    const { vaults } = management()
    expect(
      (await vaults.checkNameAvailability({ name: 'armkv', type: 'Microsoft.KeyVault/vaults' })).nameAvailable,
    ).toBe(true)
    const made = await vaults.createOrUpdate('rg', 'armkv', {
      location: 'westeurope',
      tags: { a: 'b' },
      properties: {
        tenantId: installation.tenantId,
        sku: { family: 'A', name: 'standard' },
        softDeleteRetentionInDays: 7,
      },
    })
    expect(made.properties).toMatchObject({
      vaultUri: 'https://armkv.vault.strongroom.internal/',
      provisioningState: 'Succeeded',
    })
    expect(
      (await vaults.checkNameAvailability({ name: 'armkv', type: 'Microsoft.KeyVault/vaults' })).nameAvailable,
    ).toBe(false)
    expect((await all(vaults.listByResourceGroup('rg'))).map(({ name }) => name)).toContain('armkv')
    const policy = { tenantId: installation.tenantId, objectId: me, permissions: { secrets: ['all'] } }
    await vaults.updateAccessPolicy('rg', 'armkv', 'add', { properties: { accessPolicies: [policy] } })
    await secrets('armkv').setSecret('s', 'kept')
    await vaults.delete('rg', 'armkv')
    expect((await refusal(secrets('armkv').getSecret('s'))).statusCode).toBe(404)
    expect((await vaults.getDeleted('armkv', 'westeurope')).properties).toMatchObject({ tags: { a: 'b' } })
    expect((await all(vaults.listDeleted())).map(({ name }) => name)).toContain('armkv')
    const recovered = await vaults.createOrUpdate('rg', 'armkv', {
      location: 'westeurope',
      properties: { tenantId: installation.tenantId, sku: { family: 'A', name: 'standard' }, createMode: 'recover' },
    })
    expect(recovered.tags).toEqual({ a: 'b' })
    expect((await secrets('armkv').getSecret('s')).value).toBe('kept')
    await vaults.delete('rg', 'armkv')
    await vaults.purgeDeleted('armkv', 'westeurope')
    expect((await refusal(vaults.getDeleted('armkv', 'westeurope'))).code).toBe('DeletedVaultNotFound')
  })

  it('open by role assignment, and are shut when it is removed', async () => {
    await makeVault('rbackv', {})
    expect((await refusal(secrets('rbackv').setSecret('s', 'v'))).statusCode).toBe(403)
    const administrator = await assignRole('rbackv', roleIds.administrator)
    await secrets('rbackv').setSecret('s', 'v')
    await assignRole('rbackv', roleIds.secretsUser)
    await installation.arm('DELETE', administrator)
    expect((await secrets('rbackv').getSecret('s')).value).toBe('v')
    expect((await refusal(secrets('rbackv').setSecret('s', 'w'))).statusCode).toBe(403)
    expect((await refusal(keys('rbackv').createRsaKey('k'))).statusCode).toBe(403)
  })
})

describe('keys, driven by @azure/keyvault-keys', () => {
  let client: KeyClient
  beforeAll(async () => {
    await makeVault('sdkkv')
    client = keys('sdkkv')
  })
  const crypto = (key: KeyVaultKey): CryptographyClient =>
    new CryptographyClient(key, installation.owner, installation.clientOptions)

  it('are created, read, changed, listed page by page, deleted, recovered and purged', async () => {
    const expiresOn = new Date(Math.floor(Date.now() / 1000 + 3600) * 1000)
    const made = await client.createRsaKey('rsa', { keySize: 3072, hsm: true, tags: { a: 'b' }, expiresOn })
    expect(made).toMatchObject({
      keyType: 'RSA-HSM',
      keyOperations: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
      properties: { enabled: true, tags: { a: 'b' }, expiresOn, recoverableDays: 90 },
    })
    expect((await client.getKey('rsa')).id).toBe(made.id)
    const changed = await client.updateKeyProperties('rsa', made.properties.version!, { enabled: false })
    expect(changed.properties.enabled).toBe(false)
    for (let index = 0; index < 30; index++) await client.createEcKey(`ec-${index}`, { curve: 'P-256' })
    expect(await all(client.listPropertiesOfKeys())).toHaveLength(31)
    await client.createEcKey('ec-0', { curve: 'P-384' })
    expect(await all(client.listPropertiesOfKeyVersions('ec-0'))).toHaveLength(2)
    const poller = await client.beginDeleteKey('ec-0', { intervalInMs: 10 })
    expect((await poller.pollUntilDone()).properties.recoveryId).toContain('/deletedkeys/ec-0')
    expect((await all(client.listDeletedKeys())).map(({ name }) => name)).toEqual(['ec-0'])
    const recovery = await client.beginRecoverDeletedKey('ec-0', { intervalInMs: 10 })
    expect((await recovery.pollUntilDone()).key?.crv).toBe('P-384')
    await (await client.beginDeleteKey('ec-1', { intervalInMs: 10 })).pollUntilDone()
    await client.purgeDeletedKey('ec-1')
    expect((await refusal(client.getDeletedKey('ec-1'))).code).toBe('KeyNotFound')
  })

  it('sign, verify, encrypt, decrypt, wrap and unwrap', async () => {
    const rsa = crypto(await client.createRsaKey('crypto-rsa'))
    const ec = crypto(await client.createEcKey('crypto-ec', { curve: 'P-521', hsm: true }))
    const data = randomBytes(64)
    for (const [user, algorithm] of [
      [rsa, 'PS384'],
      [rsa, 'RS256'],
      [ec, 'ES512'],
    ] as const) {
      const { result } = await user.signData(algorithm, data)
      const digestOf = (bytes: Uint8Array): Buffer =>
        createHash(`sha${algorithm.slice(2)}`)
          .update(bytes)
          .digest()
      // The service verifies by digest; `verifyData` stays in the client, which supports only PKCS#1.
      expect((await user.verify(algorithm, digestOf(data), result)).result).toBe(true)
      expect((await user.verify(algorithm, digestOf(randomBytes(64)), result)).result).toBe(false)
      if (algorithm !== 'PS384') expect((await user.verifyData(algorithm, data, result)).result).toBe(true)
    }
    const sealed = await rsa.encrypt({ algorithm: 'RSA-OAEP-256', plaintext: data })
    expect(Buffer.from((await rsa.decrypt({ algorithm: 'RSA-OAEP-256', ciphertext: sealed.result })).result)).toEqual(
      data,
    )
    const wrapped = await rsa.wrapKey('RSA-OAEP', data.subarray(32))
    expect(Buffer.from((await rsa.unwrapKey('RSA-OAEP', wrapped.result)).result)).toEqual(data.subarray(32))
    const digest = createHash('sha256').update(data).digest()
    expect((await refusal(ec.sign('RS256', digest))).statusCode).toBe(400)
    const oct = await client.createOctKey('crypto-oct', { keySize: 256, hsm: true })
    const gcm = await crypto(oct).encrypt({
      algorithm: 'A256GCM',
      plaintext: data,
      additionalAuthenticatedData: digest,
    })
    const opened = await crypto(oct).decrypt({
      algorithm: 'A256GCM',
      ciphertext: gcm.result,
      iv: gcm.iv!,
      authenticationTag: gcm.authenticationTag!,
      additionalAuthenticatedData: digest,
    })
    expect(Buffer.from(opened.result)).toEqual(data)
  })

  it('are imported, rotated, backed up and restored; random bytes come', async () => {
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
    const bytes = (name: 'x' | 'y' | 'd'): Uint8Array => Buffer.from(jwk[name]!, 'base64url')
    const imported = await client.importKey('imported', {
      kty: 'EC',
      crv: 'P-256',
      x: bytes('x'),
      y: bytes('y'),
      d: bytes('d'),
    })
    expect(Buffer.from(imported.key!.x!)).toEqual(bytes('x'))
    await client.updateKeyRotationPolicy('imported', {
      lifetimeActions: [{ action: 'Rotate', timeAfterCreate: 'P90D' }],
      expiresIn: 'P180D',
    })
    expect((await client.getKeyRotationPolicy('imported')).expiresIn).toBe('P180D')
    const rotated = await client.rotateKey('imported')
    expect(rotated.properties.version).not.toBe(imported.properties.version)
    const backup = await client.backupKey('imported')
    await (await client.beginDeleteKey('imported', { intervalInMs: 10 })).pollUntilDone()
    await client.purgeDeletedKey('imported')
    expect((await client.restoreKeyBackup(backup!)).id).toBe(rotated.id)
    expect(await client.getRandomBytes(32)).toHaveLength(32)
  })

  it('are released only by a policy, whose faults are told with their place', async () => {
    const encodedPolicy = (policy: unknown): Uint8Array => Buffer.from(JSON.stringify(policy))
    const policy = {
      version: '1.0.0',
      anyOf: [
        {
          authority: 'https://sharedweu.weu.attest.strongroom.internal',
          allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
        },
      ],
    }
    const made = await client.createRsaKey('exportable', {
      hsm: true,
      exportable: true,
      releasePolicy: { encodedPolicy: encodedPolicy(policy), immutable: true },
    })
    expect(made.properties).toMatchObject({ exportable: true, releasePolicy: { immutable: true } })
    const missing = await refusal(client.createRsaKey('x', { hsm: true, exportable: true }))
    expect(missing.message).toBe('AKV.SKR.1004: Exportable keys must have release policy.')
    const typo = { ...policy, anyOf: [{ ...policy.anyOf[0], allof: [] }] }
    const wrong = await refusal(
      client.createRsaKey('x', { hsm: true, exportable: true, releasePolicy: { encodedPolicy: encodedPolicy(typo) } }),
    )
    expect(wrong.message).toContain('$.anyOf[0].allof')
    const noToken = await refusal(client.releaseKey('exportable', 'not a token'))
    expect([noToken.statusCode, noToken.code]).toEqual([400, 'BadParameter'])
  })
})

describe('secrets, driven by @azure/keyvault-secrets', () => {
  it('are set, read, listed, changed, deleted, recovered, backed up and restored', async () => {
    await makeVault('seckv')
    const client = secrets('seckv')
    const made = await client.setSecret('s', 'value', { contentType: 'text/plain', tags: { a: 'b' } })
    expect((await client.getSecret('s')).value).toBe('value')
    expect((await client.updateSecretProperties('s', made.properties.version!, { enabled: false })).enabled).toBe(false)
    expect((await refusal(client.getSecret('s'))).code).toBe('Forbidden')
    await client.updateSecretProperties('s', made.properties.version!, { enabled: true })
    for (let index = 0; index < 27; index++) await client.setSecret(`s-${index}`, 'v')
    expect(await all(client.listPropertiesOfSecrets())).toHaveLength(28)
    const backup = await client.backupSecret('s')
    await (await client.beginDeleteSecret('s', { intervalInMs: 10 })).pollUntilDone()
    await (await client.beginRecoverDeletedSecret('s', { intervalInMs: 10 })).pollUntilDone()
    await (await client.beginDeleteSecret('s', { intervalInMs: 10 })).pollUntilDone()
    await client.purgeDeletedSecret('s')
    expect((await client.restoreSecretBackup(backup!)).contentType).toBe('text/plain')
    expect((await client.getSecret('s')).value).toBe('value')
  })
})
