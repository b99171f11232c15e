import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ComputeManagementClient, type VirtualMachine } from '@azure/arm-compute'
import { NetworkManagementClient } from '@azure/arm-network'
import { ResourceManagementClient } from '@azure/arm-resources'
import { ClientCertificateCredential } from '@azure/identity'

/** Shared by the call programs: clients signed in as the owner, and a line of JSON per call. */
export const need = (name: string): string => {
  const value = process.env[name]
  assert.ok(value, `${name} is not set`)
  return value
}
export const subscription: string = need('STRONGROOM_SUBSCRIPTION_ID')
const endpoint = need('STRONGROOM_RESOURCE_MANAGER')
export const scope = 'https://management.azure.com/.default'
const clientId = readFileSync(join(need('AZURE_CONFIG_DIR'), 'login.client-id'), 'utf8')
export const credential: ClientCertificateCredential = new ClientCertificateCredential(
  need('STRONGROOM_TENANT_ID'),
  clientId,
  { certificatePath: need('AZURE_CLIENT_CERTIFICATE_PATH') },
  { authorityHost: need('AZURE_AUTHORITY_HOST'), disableInstanceDiscovery: true },
)
export const options: { endpoint: string; credentialScopes: string[]; credentials: { scopes: string[] } } = {
  endpoint,
  credentialScopes: [scope],
  credentials: { scopes: [scope] },
}
export const resources: ResourceManagementClient = new ResourceManagementClient(credential, subscription, options)
export const network: NetworkManagementClient = new NetworkManagementClient(credential, subscription, options)
export const compute: ComputeManagementClient = new ComputeManagementClient(credential, subscription, options)

export async function call<T>(section: string, name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await work()
    process.stdout.write(`${JSON.stringify({ section, call: name, result: 'works' })}\n`)
    return result
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    process.stdout.write(`${JSON.stringify({ section, call: name, result: 'failed', error: text })}\n`)
    return undefined
  }
}

export async function refused(
  section: string,
  name: string,
  code: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work()
    process.stdout.write(`${JSON.stringify({ section, call: name, result: 'failed', error: 'it was not refused' })}\n`)
  } catch (error) {
    const found = (error as { code?: string }).code ?? (error instanceof Error ? error.message : '')
    const line = found.includes(code) ? { result: `refused: ${code}` } : { result: 'failed', error: found }
    process.stdout.write(`${JSON.stringify({ section, call: name, ...line })}\n`)
  }
}

export async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of pages) items.push(item)
  return items
}

export const location = 'westeurope'

const publicKey = `ssh-ed25519 ${Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0\x20${'\x07'.repeat(32)}`).toString('base64')} sdk`

/** A confidential VM's body, as a program writes it. `setId`: its key's disk-encryption set. */
export const confidentialVm = (nicId: string, setId?: string): VirtualMachine => ({
  location,
  hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
  securityProfile: { securityType: 'ConfidentialVM', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
  storageProfile: {
    imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
    osDisk: {
      createOption: 'FromImage',
      managedDisk: {
        securityProfile: {
          securityEncryptionType: 'DiskWithVMGuestState',
          ...(setId !== undefined && { diskEncryptionSet: { id: setId } }),
        },
      },
    },
  },
  osProfile: {
    computerName: 'vm1',
    adminUsername: 'azureuser',
    linuxConfiguration: {
      disablePasswordAuthentication: true,
      ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: publicKey }] },
    },
  },
  networkProfile: { networkInterfaces: [{ id: nicId }] },
})
