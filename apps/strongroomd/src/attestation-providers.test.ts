import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AttestationManagementClient } from '@azure/arm-attestation'
import { AttestationAdministrationClient } from '@azure/attestation'
import { attestationRegionCodes, domain, managementHost, sharedAttestationHost } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type Credential, type TestInstallation } from './testing/running.ts'

/**
 * Azure's own clients, unmodified, against a whole installation: names by its proxy, TLS by its authority, tokens by its sign-in.
 */
interface Signer {
  certificate: string
  key: string
}

let folder: string
let installation: TestInstallation

/** A self-signed authority with its key: a policy signer as in Azure's documentation. */
function makeSigner(name: string, ca = true): Signer {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  const basic = `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', `/CN=${name}`, '-addext', basic]
  const args = ['req', '-x509', ...options, '-keyout', key, '-out', certificate]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') }
}

const derOf = ({ certificate }: Signer): string => certificate.replaceAll(/-----[^-]+-----|\s/g, '')
const administration = (attestUri: string, as: Credential = installation.owner): AttestationAdministrationClient =>
  new AttestationAdministrationClient(attestUri, as, installation.clientOptions)
const management = (): AttestationManagementClient =>
  new AttestationManagementClient(installation.owner, installation.running.context.installation.subscriptionId, {
    endpoint: `https://${managementHost}`,
    ...installation.clientOptions,
  })
/** Key ids at a provider, the signing one first. */
const kidsAt = async (origin: string): Promise<string[]> => {
  const { body } = await installation.wire.request<{ keys: { kid: string }[] }>({
    method: 'GET',
    url: `${origin}/certs`,
  })
  return body.keys.map(({ kid }) => kid)
}

async function refusal(work: Promise<unknown>): Promise<{ statusCode: number; code: string; message: string }> {
  const error = (await work.then(
    () => undefined,
    (caught: unknown) => caught,
  )) as { statusCode: number; code: string; message: string } | undefined
  if (error === undefined) throw new Error('it was done')
  return error
}

const permitAll = 'version=1.0;authorizationrules{=>permit();};issuancerules{};'
const denyAll = 'version=1.0;authorizationrules{=>deny();};issuancerules{};'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-signers-'))
  installation = await startTestInstallation()
  await installation.arm('PUT', `${installation.subscription}/resourceGroups/attest`, { location: 'westeurope' })
})

afterAll(async () => {
  await installation?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('providers, driven by @azure/arm-attestation', () => {
  it('are made with an issuer and keys of their own, listed, tagged and deleted', async () => {
    const { attestationProviders: providers } = management()
    const made = await providers.create('attest', 'alpha', { location: 'westeurope', properties: {} })
    expect(made).toMatchObject({
      trustModel: 'AAD',
      status: 'Ready',
      attestUri: 'https://alpha.weu.attest.strongroom.internal',
    })
    const { body: configuration } = await installation.wire.request<{ issuer: string; jwks_uri: string }>({
      method: 'GET',
      url: `${made.attestUri}/.well-known/openid-configuration`,
    })
    expect(configuration).toMatchObject({ issuer: made.attestUri, jwks_uri: `${made.attestUri}/certs` })
    const shared = await kidsAt(`https://${sharedAttestationHost('weu')}`)
    expect((await kidsAt(made.attestUri!)).some((kid) => shared.includes(kid))).toBe(false)
    expect((await providers.list()).value!.map(({ name }) => name)).toEqual(['alpha'])
    expect((await providers.listByResourceGroup('attest')).value).toHaveLength(1)
    expect((await providers.update('attest', 'alpha', { tags: { team: 'a' } })).tags).toEqual({ team: 'a' })
    expect((await providers.get('attest', 'alpha')).tags).toEqual({ team: 'a' })

    await providers.create('attest', 'short', { location: 'westeurope', properties: {} })
    await providers.delete('attest', 'short')
    expect((await refusal(providers.get('attest', 'short'))).statusCode).toBe(404)
    const gone = installation.wire.request({ method: 'GET', url: 'https://short.weu.attest.strongroom.internal/certs' })
    await expect(gone).rejects.toThrow()
  })

  it('have operations that roles speak of, and no private endpoints', async () => {
    const client = management()
    const { value = [] } = await client.operations.list()
    expect(value.map(({ name }) => name)).toContain('Microsoft.Attestation/attestationProviders/attestation/write')
    const connections = []
    for await (const each of client.privateEndpointConnections.list('attest', 'alpha')) connections.push(each)
    expect(connections).toEqual([])
    expect((await client.privateLinkResources.listByProvider('attest', 'alpha')).value).toEqual([])
    const settings = { properties: { publicNetworkAccess: 'Disabled' } }
    expect(await refusal(client.attestationProviders.update('attest', 'alpha', settings))).toMatchObject({
      code: 'NotOffered',
    })
  })

  it('have a default in each region, which is the one that regions share', async () => {
    const { attestationProviders: providers } = management()
    const uri = (code: string): string => `https://${sharedAttestationHost(code)}`
    const westEurope = { attestUri: uri('weu'), trustModel: 'AAD' }
    expect(await providers.getDefaultByLocation('westeurope')).toMatchObject(westEurope)
    expect(await providers.getDefaultByLocation('North Europe')).toMatchObject({ attestUri: uri('neu') })
    const all = (await providers.listDefault()).value!.map((each) => each.attestUri)
    expect(all).toEqual(attestationRegionCodes.map(uri))
    const keys = await Promise.all([uri('weu'), uri('neu')].map(kidsAt))
    expect(keys[0]).not.toEqual(keys[1])
  })
})

describe('policies of an AAD provider, driven by @azure/attestation', () => {
  it('are set unsigned or signed by anyone, shown as they were sent, and reset', async () => {
    const made = await management().attestationProviders.create('attest', 'aad', {
      location: 'westeurope',
      properties: {},
    })
    const client = administration(made.attestUri!)
    const original = (await client.getPolicy('SevSnpVm')).body
    expect(original).toContain('azure-compliant-cvm')

    const set = await client.setPolicy('SevSnpVm', denyAll)
    expect(set.body).toMatchObject({ policyResolution: 'Updated' })
    expect(set.body.policySigner).toBeUndefined()
    expect(set.token.issuer).toBe(made.attestUri)
    expect((await client.getPolicy('SevSnpVm')).body).toBe(denyAll)
    expect((await client.getPolicy('TdxVm')).body).toBe(original)

    const signer = makeSigner('anyone')
    const signed = await client.setPolicy('SevSnpVm', permitAll, {
      privateKey: signer.key,
      certificate: signer.certificate,
    })
    expect(signed.body.policySigner!.certificates[0]).toContain(derOf(signer).slice(0, 60))
    expect((await client.resetPolicy('SevSnpVm')).body).toMatchObject({ policyResolution: 'Removed' })
    expect((await client.getPolicy('SevSnpVm')).body).toBe(original)
  })

  it('are refused with line and column where they do not parse, and have no certificates', async () => {
    const client = administration('https://aad.weu.attest.strongroom.internal')
    const error = await refusal(client.setPolicy('SevSnpVm', 'version=1.0;\nauthorizationrules{ =>permit() };'))
    expect(error).toMatchObject({ statusCode: 400, code: 'PolicyParsingError' })
    expect(error.message).toContain('Line 2, column 32')
    expect((await client.getPolicyManagementCertificates()).body).toEqual([])
    const { certificate, key } = makeSigner('nobody')
    const added = await refusal(client.addPolicyManagementCertificate(certificate, key, certificate))
    expect(added).toMatchObject({ statusCode: 400, code: 'InvalidOperation' })
  })

  it('verify by the new key after a rotation, while earlier keys stay published', async () => {
    const aad = 'https://aad.weu.attest.strongroom.internal'
    const before = await kidsAt(aad)
    const { id } = await management().attestationProviders.get('attest', 'aad')
    const { kid } = await installation.arm<{ kid: string }>('POST', `${id}/rotateKey`)
    expect(await kidsAt(aad)).toEqual([kid, ...before])
    expect((await administration('https://aad.weu.attest.strongroom.internal').getPolicy('TdxVm')).body).toContain(
      'permit',
    )
  })
})

describe('roles at a provider', () => {
  const graph = async <T>(path: string, body: unknown): Promise<T> => {
    const { token } = await installation.owner.getToken(`https://graph.${domain}/.default`)
    const url = `https://graph.${domain}/v1.0/${path}`
    return (await installation.wire.request<T>({ method: 'POST', url, body, token })).body
  }

  it('let somebody else read its policies, and no more; taken away, nothing', async () => {
    const { id, appId } = await graph<{ id: string; appId: string }>('applications', { displayName: 'auditor' })
    const principal = await graph<{ id: string }>('servicePrincipals', { appId })
    const { secretText } = await graph<{ secretText: string }>(`applications/${id}/addPassword`, {
      passwordCredential: {},
    })
    const client = administration(
      'https://aad.weu.attest.strongroom.internal',
      installation.credentialOf(appId, secretText),
    )
    expect(await refusal(client.getPolicy('SevSnpVm'))).toMatchObject({ statusCode: 403, code: 'Forbidden' })

    const scope = (await management().attestationProviders.get('attest', 'aad')).id!
    const assignment = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
    const attestationReader = 'fd1bd22b-8476-40bc-a0bc-69b95687b9f3'
    const roleDefinitionId = `${installation.subscription}/providers/Microsoft.Authorization/roleDefinitions/${attestationReader}`
    const properties = { roleDefinitionId, principalId: principal.id, principalType: 'ServicePrincipal' }
    await installation.arm('PUT', assignment, { properties })
    expect((await client.getPolicy('SevSnpVm')).body).toContain('permit')
    expect(await refusal(client.setPolicy('SevSnpVm', permitAll))).toMatchObject({ statusCode: 403 })
    expect(await refusal(client.resetPolicy('SevSnpVm'))).toMatchObject({ statusCode: 403 })

    await installation.arm('DELETE', assignment)
    expect(await refusal(client.getPolicy('SevSnpVm'))).toMatchObject({ statusCode: 403, code: 'Forbidden' })
  })
})

describe('policies of an isolated provider, driven by @azure/attestation', () => {
  let client: AttestationAdministrationClient
  let first: Signer
  let second: Signer
  const by = ({ key, certificate }: Signer): { privateKey: string; certificate: string } => ({
    privateKey: key,
    certificate,
  })

  beforeAll(async () => {
    ;[first, second] = [makeSigner('first'), makeSigner('second')]
    const made = await management().attestationProviders.create('attest', 'isolated', {
      location: 'westeurope',
      properties: { policySigningCertificates: { keys: [{ kty: 'RSA', x5C: [derOf(first)] }] } },
    })
    expect(made.trustModel).toBe('Isolated')
    client = administration(made.attestUri!)
  })

  it('need a signature by one of its certificates to be set and reset, whoever calls', async () => {
    for (const work of [
      () => client.setPolicy('SevSnpVm', permitAll),
      () => client.setPolicy('SevSnpVm', permitAll, by(second)),
      () => client.resetPolicy('SevSnpVm'),
      () => client.resetPolicy('SevSnpVm', by(second)),
    ])
      expect(await refusal(work())).toMatchObject({ statusCode: 400, code: 'InvalidOperation' })
    const set = await client.setPolicy('SevSnpVm', permitAll, by(first))
    expect(set.body.policySigner!.certificates[0]).toContain(derOf(first).slice(0, 60))
    expect((await client.getPolicy('SevSnpVm')).body).toBe(permitAll)
    expect((await client.resetPolicy('SevSnpVm', by(first))).body).toMatchObject({ policyResolution: 'Removed' })
  })

  it('change hands: a signer is added and removed by a present one, and the last one stays', async () => {
    const { key, certificate } = second
    expect(await refusal(client.addPolicyManagementCertificate(certificate, key, certificate))).toMatchObject({
      code: 'InvalidOperation',
    })
    const added = await client.addPolicyManagementCertificate(certificate, first.key, first.certificate)
    expect(added.body.certificateResolution).toBe('IsPresent')
    const listed = (await client.getPolicyManagementCertificates()).body
    expect(listed.map((each) => each.certificates[0]!.includes(derOf(second).slice(0, 60)))).toEqual([false, true])

    const removed = await client.removePolicyManagementCertificate(first.certificate, key, certificate)
    expect(removed.body.certificateResolution).toBe('IsAbsent')
    expect(await refusal(client.setPolicy('SevSnpVm', permitAll, by(first)))).toMatchObject({
      code: 'InvalidOperation',
    })
    expect((await client.setPolicy('SevSnpVm', permitAll, by(second))).body).toMatchObject({
      policyResolution: 'Updated',
    })
    const last = await refusal(client.removePolicyManagementCertificate(certificate, key, certificate))
    expect(last).toMatchObject({ statusCode: 400, code: 'InvalidOperation' })
    expect(last.message).toContain('last')
  })

  it('are made with a signer that is not an authority, and not with one whose issuer is not', async () => {
    const leaf = makeSigner('no-authority', false)
    const create = async (name: string, x5C: string[]) =>
      await management().attestationProviders.create('attest', name, {
        location: 'westeurope',
        properties: { policySigningCertificates: { keys: [{ kty: 'RSA', x5C }] } },
      })
    const refused = await refusal(create('refused', [derOf(leaf), derOf(leaf)]))
    expect(refused).toMatchObject({ statusCode: 400, code: 'InvalidParameter' })
    expect((await refusal(management().attestationProviders.get('attest', 'refused'))).statusCode).toBe(404)
    const { attestUri } = await create('leafsigned', [derOf(leaf)])
    const own = administration(attestUri!)
    expect((await own.setPolicy('SevSnpVm', permitAll, by(leaf))).body).toMatchObject({ policyResolution: 'Updated' })
    expect(await refusal(own.setPolicy('SevSnpVm', permitAll, by(makeSigner('no-authority-2', false))))).toMatchObject({
      code: 'InvalidOperation',
    })
  })
})
