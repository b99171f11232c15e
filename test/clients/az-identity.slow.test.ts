import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect as connectTo, createServer, type AddressInfo, type Server } from 'node:net'
import { identityAudience, managementHost, vaultAudience, type ManagedIdentity } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ArmClient } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { openHouse, SimulatedGuest } from '../insider/support/simulated-guest.ts'
import { startInProcess } from '../system/support/in-process.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { azIsInstalled } from './support/az.ts'
import { writeCompatibility, type Row } from './support/compatibility.ts'

const present = azIsInstalled && existsSync('/usr/bin/swtpm')
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'

/** The stock az as a guest's program: it signs in through its VM's metadata endpoint, which is the real one. */
describe.skipIf(!present)('az in a guest with a managed identity', () => {
  let installation: TestInstallation
  let running: RunningInstallation
  let guest: SimulatedGuest
  let endpoint: Server
  let identity: ManagedIdentity
  let environment: Record<string, string>
  const rows: Row[] = []
  const note = (call: string, result: string): void => void rows.push({ section: 'Inside a guest', call, result })

  beforeAll(async () => {
    installation = await TestInstallation.create()
    running = await startInProcess(installation)
    guest = await SimulatedGuest.create(await openHouse(running.context), {
      vmId: '5A1E0000-0000-4000-8000-00000000A003',
      tee: 'SNP',
    })
    // In a guest it is 169.254.169.254:80; az accepts another address from the environment.
    endpoint = createServer((client) => {
      const server = connectTo(guest.environment['METADATA_SOCKET']!)
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const)
        from.on('error', () => to.destroy()).pipe(to)
    })
    await new Promise<void>((done) => endpoint.listen(0, '127.0.0.1', done))
    const { port } = endpoint.address() as AddressInfo
    const settings = await installation.must<Record<string, string>>('env')
    environment = { ...settings, AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${port}` }

    const { tenantId } = running.context.installation
    const token = await running.context.tokens.token('controlPlane', identityAudience)
    const url = `${identityAudience}/${tenantId}/managedIdentities`
    const body = { resourceId: guest.spec.resourceId, displayName: 'first' }
    identity = (await running.context.wire.request<ManagedIdentity>({ method: 'PUT', url, token, body })).body
    await az(`cloud register -n Strongroom --endpoint-resource-manager https://${managementHost}`)
    await az('cloud set -n Strongroom')
  }, 120_000)

  afterAll(async () => {
    if (rows.length === 4) await writeCompatibility('az-identity', 'The Azure CLI inside a guest', rows)
    endpoint?.close()
    await guest?.remove()
    await running?.close()
    await installation?.remove()
  }, 60_000)

  async function az(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn('/usr/bin/az', [...line.split(' '), '--only-show-errors', '--output', 'json'], {
      cwd: installation.home,
      env: { ...installation.environment(), ...environment, PYTHONWARNINGS: 'ignore' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const code = await new Promise<number>((done) => child.once('close', (value) => done(value ?? -1)))
    return { code, stdout, stderr }
  }

  it('signs in without a secret, and may do what its role allows', async () => {
    const arm = new ArmClient(await connect(installation.stateDir))
    const definition = `${arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/${reader}`
    const assignment = `${arm.subscription}/providers/Microsoft.Authorization/roleAssignments/5a1e0000-0000-4000-8000-0000000000aa`
    await arm.send('PUT', assignment, '2022-04-01', {
      properties: {
        roleDefinitionId: definition,
        principalId: identity.principalId,
        principalType: 'ServicePrincipal',
      },
    })
    const signedIn = await az('login --identity')
    expect(signedIn.code, signedIn.stderr).toBe(0)
    expect(JSON.parse(signedIn.stdout)).toMatchObject([{ id: running.context.installation.subscriptionId }])
    note('az login --identity', 'works')
    expect((await az('group list')).code).toBe(0)
    note('az group list', 'works')
    const refused = await az('group create -n rg1 -l westeurope')
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining('AuthorizationFailed')])
    note('az group create -n rg1 -l westeurope', 'refused: AuthorizationFailed')
  }, 60_000)

  it('gets tokens for the vault that are its own', async () => {
    const outcome = await az(`account get-access-token --resource ${vaultAudience}`)
    expect(outcome.code, outcome.stderr).toBe(0)
    const { accessToken } = JSON.parse(outcome.stdout) as { accessToken: string }
    const caller = await running.context.verifier.verify(accessToken, [vaultAudience])
    expect(caller).toMatchObject({ objectId: identity.principalId, appId: identity.clientId })
    note(`az account get-access-token --resource ${vaultAudience}`, 'works')
  }, 60_000)

  it('opens a vault as the user-assigned identity that it names, once it has a role there', async () => {
    const arm = new ArmClient(await connect(installation.stateDir))
    const group = `${arm.subscription}/resourceGroups/identities`
    await arm.send('PUT', group, '2024-11-01', { location: 'westeurope' })
    const identityPath = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ana`
    const { properties: ana } = await arm.result<{ properties: ManagedIdentity }>('PUT', identityPath, '2023-01-31', {
      location: 'westeurope',
    })
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/anasbox`
    await arm.run('PUT', vault, '2023-07-01', {
      location: 'westeurope',
      properties: {
        tenantId: running.context.installation.tenantId,
        sku: { family: 'A', name: 'standard' },
        enableRbacAuthorization: true,
      },
    })
    const grant = async (principalId: string, role: string, name: string): Promise<void> => {
      const roleDefinitionId = `${arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`
      const properties = { roleDefinitionId, principalId, principalType: 'ServicePrincipal' }
      await arm.send('PUT', `${vault}/providers/Microsoft.Authorization/roleAssignments/${name}`, '2022-04-01', {
        properties,
      })
    }
    const connection = await connect(installation.stateDir)
    const owner = await running.context.verifier.verify(await connection.ownerToken(), [
      `https://${managementHost}`,
      'https://management.azure.com',
    ])
    // Key Vault Secrets Officer; Key Vault Secrets User
    await grant(owner.objectId, 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7', '5a1e0000-0000-4000-8000-0000000000a1')
    await running.context.wire.request({
      method: 'PUT',
      url: 'https://anasbox.vault.strongroom.internal/secrets/word?api-version=7.4',
      token: await connection.ownerToken(vaultAudience),
      body: { value: 'for ana' },
    })
    // As the resource manager sends it when a VM gets the identity.
    await running.context.wire.request({
      method: 'PUT',
      url: `${identityAudience}/${running.context.installation.tenantId}/managedIdentities/assignments`,
      token: await running.context.tokens.token('controlPlane', identityAudience),
      body: { resourceId: guest.spec.resourceId, clientIds: [ana.clientId] },
    })
    const signedIn = await az(`login --identity --client-id ${ana.clientId} --allow-no-subscriptions`)
    expect(signedIn.code, signedIn.stderr).toBe(0)
    const word = async (): Promise<{ code: number; stdout: string; stderr: string }> =>
      await az('keyvault secret show --vault-name anasbox --name word --query value')
    const refused = await word()
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining('Forbidden')])
    await grant(ana.principalId, '4633458b-17de-408a-b874-0445c86b69e6', '5a1e0000-0000-4000-8000-0000000000a2')
    const opened = await word()
    expect([opened.code, opened.stdout.trim()], opened.stderr).toEqual([0, '"for ana"'])
  }, 120_000)
})
