import { createHash, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import { KeyVaultManagementClient } from '@azure/arm-keyvault'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { managedHsmAudience, managedHsmHost, managementHost } from '@strongroom/contract'
import { issueSelfSigned } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

/** Azure's own clients, unmodified, against a managed HSM of a whole installation. */
let installation: TestInstallation
let me: string

beforeAll(async () => {
  installation = await startTestInstallation()
  me = await objectIdOf(installation.owner)
  await installation.arm('PUT', `${installation.subscription}/resourceGroups/rg`, { location: 'westeurope' })
})

afterAll(() => installation?.close())

const management = (): KeyVaultManagementClient =>
  new KeyVaultManagementClient(installation.owner, installation.running.context.installation.subscriptionId, {
    ...installation.clientOptions,
    endpoint: `https://${managementHost}`,
    credentials: { scopes: ['https://management.azure.com/.default'] },
  })

/** As the owner, on the wire of the HSM itself. */
async function onHsm<T>(method: string, path: string, body?: unknown): Promise<T> {
  const { token } = await installation.owner.getToken(`${managedHsmAudience}/.default`)
  const url = `https://${managedHsmHost('pool')}${path}?api-version=7.5`
  return (await installation.wire.request<T>({ method, url, token, ...(body !== undefined && { body }) })).body
}

function certificate(): { x5c: string[] } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = issueSelfSigned({
    subject: 'CN=holder',
    privateKey,
    usages: ['digitalSignature'],
    notBefore: new Date(Date.now() - 3600_000),
    notAfter: new Date(Date.now() + 3600_000),
  })
  return { x5c: [new X509Certificate(pem).raw.toString('base64')] }
}

describe('a managed HSM, driven by Azure’s clients', () => {
  it('is made by the resource manager, activated, used, deleted, recovered and purged', async () => {
    const { managedHsms } = management()
    expect((await managedHsms.checkMhsmNameAvailability({ name: 'pool' })).nameAvailable).toBe(true)
    const made = await managedHsms.beginCreateOrUpdateAndWait('rg', 'pool', {
      location: 'westeurope',
      sku: { family: 'B', name: 'Standard_B1' },
      properties: { tenantId: installation.tenantId, initialAdminObjectIds: [me], softDeleteRetentionInDays: 7 },
    })
    expect(made.properties?.hsmUri).toBe(`https://${managedHsmHost('pool')}/`)
    expect((await managedHsms.get('rg', 'pool')).properties?.securityDomainProperties?.activationStatus).toBe(
      'NotActivated',
    )
    expect((await managedHsms.checkMhsmNameAvailability({ name: 'Pool' })).reason).toBe('AlreadyExists')

    const client = new KeyClient(made.properties!.hsmUri!, installation.owner, installation.clientOptions)
    const roles = await onHsm<{ value: { name: string; properties: { roleName: string } }[] }>(
      'GET',
      '/providers/Microsoft.Authorization/roleDefinitions',
    )
    const cryptoUser = roles.value.find(({ properties }) => properties.roleName === 'Managed HSM Crypto User')!.name
    const early = client.createOctKey('seal', { hsm: true, keySize: 256 })
    await expect(early).rejects.toMatchObject({ statusCode: 403 })
    await onHsm('PUT', `/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: { principalId: me, roleDefinitionId: `/x/${cryptoUser}` },
    })
    const domain = await onHsm<{ value: string }>('POST', '/securitydomain/download', {
      certificates: [certificate(), certificate(), certificate()],
      required: 2,
    })
    expect(JSON.parse(domain.value)).toMatchObject({ SharedKeys: { required: 2 } })
    expect((await managedHsms.get('rg', 'pool')).properties?.securityDomainProperties?.activationStatus).toBe('Active')

    const oct = await client.createOctKey('seal', { hsm: true, keySize: 256 })
    expect(oct.keyType).toBe('oct-HSM')
    const sealer = new CryptographyClient(oct, installation.owner, installation.clientOptions)
    const sealed = await sealer.encrypt({ algorithm: 'A256GCM', plaintext: Buffer.from('secret') })
    const opened = await sealer.decrypt({
      algorithm: 'A256GCM',
      ciphertext: sealed.result,
      iv: sealed.iv!,
      authenticationTag: sealed.authenticationTag!,
    })
    expect(Buffer.from(opened.result).toString()).toBe('secret')
    const signing = await client.createEcKey('sign', { hsm: true, curve: 'P-384' })
    const signer = new CryptographyClient(signing, installation.owner, installation.clientOptions)
    const digest = createHash('sha384').update('m').digest()
    const { result } = await signer.sign('ES384', digest)
    expect((await signer.verify('ES384', digest, result)).result).toBe(true)
    expect(await client.getRandomBytes(16)).toHaveLength(16)

    await managedHsms.beginDeleteAndWait('rg', 'pool')
    await expect(client.getKey('sign')).rejects.toMatchObject({ statusCode: 404 })
    expect((await managedHsms.getDeleted('pool', 'westeurope')).properties?.mhsmId).toBe(made.id)
    await managedHsms.beginCreateOrUpdateAndWait('rg', 'pool', {
      location: 'westeurope',
      properties: { tenantId: installation.tenantId, initialAdminObjectIds: [me], createMode: 'recover' },
    })
    expect((await client.getKey('sign')).properties.version).toBe(signing.properties.version)
    await managedHsms.beginDeleteAndWait('rg', 'pool')
    await managedHsms.beginPurgeDeletedAndWait('pool', 'westeurope')
    expect((await managedHsms.checkMhsmNameAvailability({ name: 'pool' })).nameAvailable).toBe(true)
  })

  it('is refused without administrators, for another tenant, and with a retention that is none', async () => {
    const { managedHsms } = management()
    const make = (properties: object): Promise<unknown> =>
      managedHsms.beginCreateOrUpdateAndWait('rg', 'pool2', { location: 'westeurope', properties })
    const good = { tenantId: installation.tenantId, initialAdminObjectIds: [me] }
    for (const wrong of [{ initialAdminObjectIds: [] }, { tenantId: randomUUID() }, { softDeleteRetentionInDays: 6 }]) {
      await expect(make({ ...good, ...wrong })).rejects.toMatchObject({ statusCode: 400 })
    }
    await expect(managedHsms.get('rg', 'pool2')).rejects.toMatchObject({ statusCode: 404 })
  })
})
