import { afterEach, beforeEach, expect } from 'vitest'
import { openSqlitePlane } from './sqlite-plane.ts'
import { group, makeNetwork, tenantId, vmPath, vmRequest, type Loose } from './test-plane.ts'

/** The current test's resource manager, with a vault `box` whose keys `1` and `2` suit a disk-encryption set. */
export let plane: Awaited<ReturnType<typeof openSqlitePlane>>

export const setPath = (name: string): string => `${group}/providers/Microsoft.Compute/diskEncryptionSets/${name}`
export const vaultPath = (name: string): string => `${group}/providers/Microsoft.KeyVault/vaults/${name}`
export const identityPath = (name: string): string =>
  `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
export const keyUrl = (version: string, vault: string = 'box'): string =>
  `https://${vault}.vault.strongroom.internal/keys/disk/${version.repeat(32)}`

export function useSetPlane(o: { answersAzureNames?: () => boolean } = {}): void {
  beforeEach(async () => {
    plane = await openSqlitePlane(o)
    await plane.send('PUT', group, { location: 'westeurope' })
    await putVault('box')
    for (const version of ['1', '2']) plane.wire.customerKeys.keys.set(keyUrl(version), {})
  })

  afterEach(async () => {
    await plane.close()
  })
}

export async function putVault(name: string, properties: Loose = {}, location: string = 'westeurope'): Promise<void> {
  const reply = await plane.send('PUT', vaultPath(name), {
    location,
    properties: {
      tenantId,
      sku: { family: 'A', name: 'premium' },
      accessPolicies: [],
      enablePurgeProtection: true,
      enabledForDiskEncryption: true,
      ...properties,
    },
  })
  expect(reply.status, JSON.stringify(reply.body)).toBe(201)
}

export const setRequest = (o: { keyUrl?: string; identity?: Loose; properties?: Loose } = {}): Loose => ({
  location: 'westeurope',
  identity: o.identity ?? { type: 'SystemAssigned' },
  properties: {
    activeKey: { keyUrl: o.keyUrl ?? keyUrl('1') },
    encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
    ...o.properties,
  },
})

export async function makeSet(name: string = 'set'): Promise<Loose> {
  const reply = await plane.send('PUT', setPath(name), setRequest())
  expect(reply.status, JSON.stringify(reply.body)).toBe(200)
  plane.wire.customerKeys.grant(setPath(name))
  return reply.body
}

export const vmWithSet = (name: string, set: string): Loose => {
  const body = vmRequest(name)
  body.properties.storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet = { id: set }
  return body
}

export async function makeVm(name: string, set: string = setPath('set')): Promise<void> {
  await makeNetwork(plane, name)
  const { operation } = await plane.run('PUT', vmPath(name), vmWithSet(name, set))
  expect(operation).toMatchObject({ status: 'Succeeded' })
}

export const vmId = async (name: string): Promise<string> =>
  String((await plane.send('GET', vmPath(name))).body.properties.vmId).toUpperCase()
export const instance = async (name: string): Promise<Loose> => plane.wire.instances.get(await vmId(name))
export const error = (reply: { body: Loose }): Loose => ({ ...reply.body.error, ...reply.body.error.innererror })
