/** Calls of Azure's SDKs as in a program; prints one JSON line for each. Run by sdk.test.ts. */
import { strict as assert } from 'node:assert'
import { KeyVaultManagementClient } from '@azure/arm-keyvault'
import { DeploymentsClient } from '@azure/arm-resourcesdeployments'
import { KeyClient } from '@azure/keyvault-keys'
import {
  all,
  call,
  compute,
  confidentialVm,
  credential,
  location,
  need,
  network,
  options,
  refused,
  resources,
  scope,
  subscription,
} from './sdk.ts'

const deployments = new DeploymentsClient(credential, subscription, options)
const group = 'sdk'
const in_ = (provider: string): string => `/subscriptions/${subscription}/resourceGroups/${group}/providers/${provider}`

await call('Sign-in', 'ClientCertificateCredential.getToken', async () =>
  assert.ok((await credential.getToken(scope))?.token),
)

const r = 'arm-resources'
await call(
  r,
  'resourceGroups.createOrUpdate',
  async () => await resources.resourceGroups.createOrUpdate(group, { location, tags: { a: 'b' } }),
)
await call(r, 'resourceGroups.get', async () =>
  assert.equal((await resources.resourceGroups.get(group)).tags?.['a'], 'b'),
)
await call(r, 'resourceGroups.list', async () => assert.equal((await all(resources.resourceGroups.list())).length, 1))
await call(r, 'resourceGroups.checkExistence', async () =>
  assert.equal((await resources.resourceGroups.checkExistence('none')).body, false),
)
await call(r, 'providers.get', async () =>
  assert.equal((await resources.providers.get('Microsoft.Compute')).registrationState, 'Registered'),
)
await refused(
  r,
  'resourceGroups.get (of none)',
  'ResourceGroupNotFound',
  async () => await resources.resourceGroups.get('none'),
)

const n = 'arm-network'
await call(
  n,
  'virtualNetworks.createOrUpdate',
  async () =>
    await network.virtualNetworks.beginCreateOrUpdateAndWait(group, 'vnet', {
      location,
      addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
      subnets: [{ name: 'default', addressPrefix: '10.0.0.0/24' }],
    }),
)
await call(n, 'virtualNetworks.list', async () =>
  assert.equal((await all(network.virtualNetworks.list(group))).length, 1),
)
const subnet = await call(n, 'subnets.get', async () => await network.subnets.get(group, 'vnet', 'default'))
await call(
  n,
  'networkSecurityGroups.createOrUpdate',
  async () => await network.networkSecurityGroups.beginCreateOrUpdateAndWait(group, 'nsg', { location }),
)
await call(
  n,
  'securityRules.createOrUpdate',
  async () =>
    await network.securityRules.beginCreateOrUpdateAndWait(group, 'nsg', 'ssh', {
      priority: 100,
      access: 'Allow',
      direction: 'Inbound',
      protocol: 'Tcp',
      sourceAddressPrefix: '*',
      sourcePortRange: '*',
      destinationAddressPrefix: '*',
      destinationPortRange: '22',
    }),
)
await call(n, 'securityRules.delete', async () => await network.securityRules.beginDeleteAndWait(group, 'nsg', 'ssh'))
const address = await call(
  n,
  'publicIPAddresses.createOrUpdate',
  async () =>
    await network.publicIPAddresses.beginCreateOrUpdateAndWait(group, 'ip', {
      location,
      sku: { name: 'Standard' },
      publicIPAllocationMethod: 'Static',
    }),
)
const nic = await call(
  n,
  'networkInterfaces.createOrUpdate',
  async () =>
    await network.networkInterfaces.beginCreateOrUpdateAndWait(group, 'nic', {
      location,
      ipConfigurations: [{ name: 'ip', subnet: { id: subnet?.id ?? '' }, publicIPAddress: { id: address?.id ?? '' } }],
    }),
)
await refused(
  n,
  'publicIPAddresses.delete (in use)',
  'PublicIPAddressCannotBeDeleted',
  async () => await network.publicIPAddresses.beginDeleteAndWait(group, 'ip'),
)

const c = 'arm-compute'
const vm = confidentialVm(nic?.id ?? '')
await call(
  c,
  'virtualMachines.createOrUpdate',
  async () => await compute.virtualMachines.createOrUpdate(group, 'vm1', vm),
)
await call(c, 'virtualMachines.get', async () =>
  assert.equal(
    (await compute.virtualMachines.get(group, 'vm1', { expand: 'instanceView' })).provisioningState,
    'Succeeded',
  ),
)
await call(c, 'virtualMachines.instanceView', async () => {
  const codes = (await compute.virtualMachines.instanceView(group, 'vm1')).statuses?.map((status) => status.code)
  assert.ok(codes?.includes('PowerState/running'))
})
await call(c, 'virtualMachines.list', async () =>
  assert.equal((await all(compute.virtualMachines.list(group))).length, 1),
)
await call(c, 'virtualMachines.listAll', async () =>
  assert.equal((await all(compute.virtualMachines.listAll())).length, 1),
)
await call(
  c,
  'virtualMachines.update',
  async () => await compute.virtualMachines.update(group, 'vm1', { tags: { x: 'y' } }),
)
await call(c, 'virtualMachines.powerOff', async () => await compute.virtualMachines.powerOff(group, 'vm1'))
await call(c, 'virtualMachines.start', async () => await compute.virtualMachines.start(group, 'vm1'))
await call(c, 'virtualMachines.restart', async () => await compute.virtualMachines.restart(group, 'vm1'))
await call(c, 'virtualMachines.deallocate', async () => await compute.virtualMachines.deallocate(group, 'vm1'))
await call(c, 'virtualMachines.listAvailableSizes', async () =>
  assert.ok((await all(compute.virtualMachines.listAvailableSizes(group, 'vm1'))).length > 3),
)
await call(
  c,
  'disks.createOrUpdate',
  async () =>
    await compute.disks.createOrUpdate(group, 'data', {
      location,
      creationData: { createOption: 'Empty' },
      diskSizeGB: 4,
    }),
)
await call(c, 'disks.listByResourceGroup', async () =>
  assert.equal((await all(compute.disks.listByResourceGroup(group))).length, 2),
)
await call(c, 'disks.delete', async () => await compute.disks.delete(group, 'data'))
await call(c, 'resourceSkus.list', async () => assert.ok((await all(compute.resourceSkus.list())).length > 20))
await call(c, 'virtualMachineImages.list', async () =>
  assert.equal((await compute.virtualMachineImages.list(location, 'Strongroom', 'debian-13', 'cvm')).length, 1),
)
await refused(
  c,
  'virtualMachines.createOrUpdate (ordinary size)',
  'BadRequest',
  async () =>
    await compute.virtualMachines.createOrUpdate(group, 'vm2', {
      ...vm,
      hardwareProfile: { vmSize: 'Standard_D2s_v5' },
    }),
)
const e = 'arm-compute, customer keys'
const access = await credential.getToken(scope)
const me = (JSON.parse(Buffer.from(access.token.split('.')[1] ?? '', 'base64url').toString()) as { oid: string }).oid
const tenantId = need('STRONGROOM_TENANT_ID')
const vaults = new KeyVaultManagementClient(credential, subscription, options)
const allow = async (objectId: string, keys: string[]): Promise<unknown> =>
  await vaults.vaults.updateAccessPolicy(group, 'sdkbox', 'add', {
    properties: { accessPolicies: [{ tenantId, objectId, permissions: { keys } }] },
  })
await call(
  e,
  'vaults.createOrUpdate',
  async () =>
    await vaults.vaults.beginCreateOrUpdateAndWait(group, 'sdkbox', {
      location,
      properties: {
        tenantId,
        sku: { family: 'A', name: 'premium' },
        enablePurgeProtection: true,
        enabledForDiskEncryption: true,
        enableRbacAuthorization: false,
        accessPolicies: [{ tenantId, objectId: me, permissions: { keys: ['all'] } }],
      },
    }),
)
const keys = new KeyClient('https://sdkbox.vault.strongroom.internal', credential)
const releasePolicy = {
  version: '1.0.0',
  anyOf: [
    {
      authority: 'https://sharedweu.weu.attest.strongroom.internal',
      allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
    },
  ],
}
const newKey = async (): Promise<string> =>
  (
    await keys.createRsaKey('disk', {
      hsm: true,
      exportable: true,
      releasePolicy: { encodedPolicy: new TextEncoder().encode(JSON.stringify(releasePolicy)) },
    })
  ).id ?? ''
const keyUrl = (await call(e, 'KeyClient.createRsaKey (exportable)', newKey)) ?? ''
const encryptionType = 'ConfidentialVmEncryptedWithCustomerKey'
const set = await call(
  e,
  'diskEncryptionSets.createOrUpdate',
  async () =>
    await compute.diskEncryptionSets.createOrUpdate(group, 'set', {
      location,
      identity: { type: 'SystemAssigned' },
      encryptionType,
      activeKey: { keyUrl },
    }),
)
const locked = confidentialVm(nic?.id ?? '', set?.id ?? '')
await call(e, 'virtualMachines.delete', async () => await compute.virtualMachines.delete(group, 'vm1'))
await refused(
  e,
  'virtualMachines.createOrUpdate (the set has no rights)',
  'KeyVaultAccessForbidden',
  async () => await compute.virtualMachines.createOrUpdate(group, 'vm1', locked),
)
await call(
  e,
  'vaults.updateAccessPolicy',
  async () => await allow(set?.identity?.principalId ?? '', ['get', 'wrapKey', 'unwrapKey']),
)
await call(
  e,
  'virtualMachines.createOrUpdate (diskEncryptionSet)',
  async () => await compute.virtualMachines.createOrUpdate(group, 'vm1', locked),
)
await call(e, 'diskEncryptionSets.get', async () =>
  assert.equal((await compute.diskEncryptionSets.get(group, 'set')).activeKey?.keyUrl, keyUrl),
)
await call(e, 'diskEncryptionSets.listAssociatedResources', async () =>
  assert.equal((await all(compute.diskEncryptionSets.listAssociatedResources(group, 'set'))).length, 1),
)
await refused(
  e,
  'diskEncryptionSets.delete (in use)',
  'OperationNotAllowed',
  async () => await compute.diskEncryptionSets.delete(group, 'set'),
)
const next = (await call(e, 'KeyClient.createRsaKey (a new version)', newKey)) ?? ''
const rotate = async (): Promise<unknown> =>
  await compute.diskEncryptionSets.update(group, 'set', { activeKey: { keyUrl: next } })
await refused(e, 'diskEncryptionSets.update (a VM runs)', 'OperationNotAllowed', rotate)
await call(e, 'virtualMachines.deallocate', async () => await compute.virtualMachines.deallocate(group, 'vm1'))
await call(e, 'diskEncryptionSets.update (rotation)', async () => {
  await rotate()
  const rotated = await compute.diskEncryptionSets.get(group, 'set')
  assert.deepEqual([rotated.activeKey?.keyUrl, rotated.previousKeys?.length], [next, 0])
})
await call(e, 'virtualMachines.delete', async () => await compute.virtualMachines.delete(group, 'vm1'))
await call(e, 'diskEncryptionSets.delete', async () => await compute.diskEncryptionSets.delete(group, 'set'))

const d = 'arm-resourcesdeployments'
const template = {
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  parameters: { name: { type: 'string' } },
  resources: [
    {
      type: 'Microsoft.Network/networkSecurityGroups',
      apiVersion: '2023-09-01',
      name: "[parameters('name')]",
      location,
    },
  ],
  outputs: {
    id: { type: 'string', value: "[resourceId('Microsoft.Network/networkSecurityGroups', parameters('name'))]" },
  },
}
const properties = { mode: 'Incremental' as const, template, parameters: { name: { value: 'made' } } }
await call(
  d,
  'deployments.validate',
  async () => await deployments.deployments.beginValidateAndWait(group, 'first', { properties }),
)
await call(d, 'deployments.whatIf', async () => {
  const preview = await deployments.deployments.beginWhatIfAndWait(group, 'first', { properties })
  assert.ok(preview.changes?.some((change) => change.changeType === 'Create'))
})
await call(d, 'deployments.createOrUpdate', async () => {
  const made = await deployments.deployments.beginCreateOrUpdateAndWait(group, 'first', { properties })
  assert.ok(made.properties?.outputs?.id.value.endsWith(in_('Microsoft.Network/networkSecurityGroups/made').slice(-20)))
})
await call(d, 'deployments.get', async () =>
  assert.equal((await deployments.deployments.get(group, 'first')).properties?.provisioningState, 'Succeeded'),
)
await call(d, 'deployments.listByResourceGroup', async () =>
  assert.equal((await all(deployments.deployments.listByResourceGroup(group))).length, 1),
)
await call(r, 'resources.listByResourceGroup', async () =>
  assert.ok((await all(resources.resources.listByResourceGroup(group))).length >= 4),
)
await call(r, 'resourceGroups.delete', async () => await resources.resourceGroups.beginDeleteAndWait(group))
