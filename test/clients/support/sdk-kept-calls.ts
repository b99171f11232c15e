/** Galleries, snapshots, access to disks, commands in guests, moves and providers with the SDKs. Run by sdk.test.ts. */
import { strict as assert } from 'node:assert'
import { AttestationManagementClient } from '@azure/arm-attestation'
import {
  all,
  call,
  compute,
  confidentialVm,
  credential,
  location,
  network,
  options,
  refused,
  resources,
  subscription,
} from './sdk.ts'

const group = 'kept'
const in_ = (type: string, name: string, where: string = group): string =>
  `/subscriptions/${subscription}/resourceGroups/${where}/providers/${type}/${name}`
const vmId = in_('Microsoft.Compute/virtualMachines', 'src')

for (const name of [group, 'elsewhere']) await resources.resourceGroups.createOrUpdate(name, { location })
await network.virtualNetworks.beginCreateOrUpdateAndWait(group, 'vnet', {
  location,
  addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
  subnets: [{ name: 'default', addressPrefix: '10.0.0.0/24' }],
})
const subnet = { id: in_('Microsoft.Network/virtualNetworks', 'vnet/subnets/default') }
const nic = await network.networkInterfaces.beginCreateOrUpdateAndWait(group, 'nic', {
  location,
  ipConfigurations: [{ name: 'ip', subnet }],
})
const source = await compute.virtualMachines.createOrUpdate(group, 'src', confidentialVm(nic.id ?? ''))
const diskName = source.storageProfile?.osDisk?.name ?? ''

const u = 'arm-compute, commands in guests'
await call(u, 'virtualMachineRunCommands.list', async () =>
  assert.equal((await all(compute.virtualMachineRunCommands.list(location))).length, 1),
)
await call(u, 'virtualMachineRunCommands.get', async () =>
  assert.equal((await compute.virtualMachineRunCommands.get(location, 'RunShellScript')).osType, 'Linux'),
)
await refused(
  u,
  'virtualMachines.runCommand (a script that its owner did not sign)',
  'RunCommandNotSigned',
  async () => await compute.virtualMachines.runCommand(group, 'src', { commandId: 'RunShellScript', script: ['id'] }),
)
await refused(
  u,
  'virtualMachineRunCommands.createOrUpdate (a script that its owner did not sign)',
  'RunCommandNotSigned',
  async () =>
    await compute.virtualMachineRunCommands.createOrUpdate(group, 'src', 'rc', { location, source: { script: 'id' } }),
)
await call(u, 'virtualMachineRunCommands.listByVirtualMachine', async () =>
  assert.equal((await all(compute.virtualMachineRunCommands.listByVirtualMachine(group, 'src'))).length, 0),
)
await refused(
  u,
  'virtualMachineRunCommands.getByVirtualMachine (of none)',
  'ResourceNotFound',
  async () => await compute.virtualMachineRunCommands.getByVirtualMachine(group, 'src', 'rc'),
)
await call(u, 'virtualMachineRunCommands.delete (of none)', async () => {
  await compute.virtualMachineRunCommands.delete(group, 'src', 'rc')
})
await refused(
  u,
  'virtualMachines.retrieveBootDiagnosticsData (not enabled)',
  'BootDiagnosticsNotEnabled',
  async () => await compute.virtualMachines.retrieveBootDiagnosticsData(group, 'src'),
)
await call(u, 'virtualMachines.redeploy', async () => await compute.virtualMachines.redeploy(group, 'src'))

const d = 'arm-compute, disks and snapshots'
const read = { access: 'Read', durationInSeconds: 60 } as const
await refused(
  d,
  'disks.grantAccess (the VM runs)',
  'OperationNotAllowed',
  async () => await compute.disks.grantAccess(group, diskName, read),
)
await call(d, 'virtualMachines.deallocate', async () => await compute.virtualMachines.deallocate(group, 'src'))
await call(d, 'snapshots.createOrUpdate', async () => {
  const made = await compute.snapshots.createOrUpdate(group, 'snap', {
    location,
    creationData: { createOption: 'Copy', sourceResourceId: in_('Microsoft.Compute/disks', diskName) },
  })
  assert.equal(made.securityProfile?.securityType, 'ConfidentialVM_DiskEncryptedWithPlatformKey')
})
await call(d, 'snapshots.get', async () =>
  assert.equal((await compute.snapshots.get(group, 'snap')).provisioningState, 'Succeeded'),
)
await call(d, 'snapshots.listByResourceGroup', async () =>
  assert.equal((await all(compute.snapshots.listByResourceGroup(group))).length, 1),
)
await call(d, 'snapshots.list', async () => assert.equal((await all(compute.snapshots.list())).length, 1))
await call(d, 'snapshots.update', async () =>
  assert.deepEqual((await compute.snapshots.update(group, 'snap', { tags: { a: 'b' } })).tags, { a: 'b' }),
)
await refused(
  d,
  'snapshots.grantAccess (without guests)',
  'NoDiskContent',
  async () => await compute.snapshots.grantAccess(group, 'snap', read),
)
await call(d, 'snapshots.revokeAccess', async () => await compute.snapshots.revokeAccess(group, 'snap'))
await call(d, 'disks.createOrUpdate (Copy)', async () => {
  const creationData = { createOption: 'Copy', sourceResourceId: in_('Microsoft.Compute/snapshots', 'snap') }
  await compute.disks.createOrUpdate(group, 'copy', { location, creationData })
})
await call(d, 'disks.createOrUpdate (Upload)', async () => {
  const creationData = { createOption: 'Upload', uploadSizeBytes: 20_972_032 }
  const made = await compute.disks.createOrUpdate(group, 'upload', { location, creationData })
  assert.equal(made.diskState, 'ReadyToUpload')
})
await call(d, 'disks.revokeAccess', async () => await compute.disks.revokeAccess(group, 'upload'))
await call(d, 'disks.get', async () => assert.equal((await compute.disks.get(group, 'copy')).osType, 'Linux'))
await call(d, 'disks.update', async () => await compute.disks.update(group, 'copy', { tags: { a: 'b' } }))
await call(d, 'disks.list', async () => assert.ok((await all(compute.disks.list())).length >= 3))

const g = 'arm-compute, galleries'
await call(g, 'galleries.createOrUpdate', async () => {
  const made = await compute.galleries.createOrUpdate(group, 'gal', { location, description: 'ours' })
  assert.equal(made.provisioningState, 'Succeeded')
})
await call(g, 'galleries.get', async () =>
  assert.ok((await compute.galleries.get(group, 'gal')).identifier?.uniqueName?.endsWith('GAL')),
)
await call(g, 'galleries.list', async () => assert.equal((await all(compute.galleries.list())).length, 1))
await call(g, 'galleries.listByResourceGroup', async () =>
  assert.equal((await all(compute.galleries.listByResourceGroup(group))).length, 1),
)
await call(g, 'galleries.update', async () => await compute.galleries.update(group, 'gal', { tags: { a: 'b' } }))
await call(g, 'galleryImages.createOrUpdate', async () => {
  await compute.galleryImages.createOrUpdate(group, 'gal', 'special', {
    location,
    osType: 'Linux',
    osState: 'Specialized',
    hyperVGeneration: 'V2',
    identifier: { publisher: 'me', offer: 'app', sku: 'special' },
    features: [{ name: 'SecurityType', value: 'ConfidentialVM' }],
  })
})
await call(g, 'galleryImages.get', async () =>
  assert.equal((await compute.galleryImages.get(group, 'gal', 'special')).osState, 'Specialized'),
)
await call(g, 'galleryImages.listByGallery', async () =>
  assert.equal((await all(compute.galleryImages.listByGallery(group, 'gal'))).length, 1),
)
const regions = (names: string[]): object => ({ targetRegions: names.map((name) => ({ name })) })
await call(g, 'galleryImageVersions.createOrUpdate', async () => {
  const made = await compute.galleryImageVersions.createOrUpdate(group, 'gal', 'special', '1.0.0', {
    location,
    publishingProfile: regions(['westeurope']),
    storageProfile: { source: { virtualMachineId: vmId } },
  })
  assert.equal(made.provisioningState, 'Succeeded')
})
await refused(
  g,
  'galleryImageVersions.createOrUpdate (without its home region)',
  'InvalidParameter',
  async () =>
    await compute.galleryImageVersions.createOrUpdate(group, 'gal', 'special', '1.0.1', {
      location,
      publishingProfile: regions(['northeurope']),
      storageProfile: { source: { virtualMachineId: vmId } },
    }),
)
await call(g, 'galleryImageVersions.get', async () => {
  const version = await compute.galleryImageVersions.get(group, 'gal', 'special', '1.0.0', {
    expand: 'ReplicationStatus',
  })
  assert.equal(version.replicationStatus?.aggregatedState, 'Completed')
})
await call(g, 'galleryImageVersions.listByGalleryImage', async () =>
  assert.equal((await all(compute.galleryImageVersions.listByGalleryImage(group, 'gal', 'special'))).length, 1),
)
await call(g, 'galleryImageVersions.update', async () => {
  const change = { publishingProfile: { excludeFromLatest: true } }
  await compute.galleryImageVersions.update(group, 'gal', 'special', '1.0.0', change)
})
await refused(
  g,
  'galleries.delete (not empty)',
  'CannotDeleteResource',
  async () => await compute.galleries.delete(group, 'gal'),
)
await call(g, 'galleryImageVersions.delete', async () => {
  await compute.galleryImageVersions.delete(group, 'gal', 'special', '1.0.0')
})
await call(g, 'galleryImages.delete', async () => await compute.galleryImages.delete(group, 'gal', 'special'))

const m = 'arm-resources, moves'
const target = `/subscriptions/${subscription}/resourceGroups/elsewhere`
const move = (ids: string[]): { resources: string[]; targetResourceGroup: string } => ({
  resources: ids,
  targetResourceGroup: target,
})
const movable = [in_('Microsoft.Network/virtualNetworks', 'vnet'), in_('Microsoft.Compute/snapshots', 'snap')]
await call(m, 'resources.validateMoveResources', async () => {
  await resources.resources.beginValidateMoveResourcesAndWait(group, move(movable))
})
await call(m, 'resources.moveResources', async () => {
  await resources.resources.beginMoveResourcesAndWait(group, move(movable))
  const reference = (await network.networkInterfaces.get(group, 'nic')).ipConfigurations?.[0]?.subnet?.id
  assert.equal(reference, in_('Microsoft.Network/virtualNetworks', 'vnet/subnets/default', 'elsewhere'))
})
await refused(
  m,
  'resources.moveResources (a gallery)',
  'ResourceMoveProviderValidationFailed',
  async () =>
    await resources.resources.beginMoveResourcesAndWait(group, move([in_('Microsoft.Compute/galleries', 'gal')])),
)
await call(m, 'resources.list', async () => {
  const found = await all(resources.resources.list({ filter: "resourceType eq 'Microsoft.Compute/snapshots'" }))
  assert.equal(found[0]?.id, in_('Microsoft.Compute/snapshots', 'snap', 'elsewhere'))
})
await call(m, 'resources.getById', async () => {
  const found = await resources.resources.getById(in_('Microsoft.Compute/galleries', 'gal'), '2024-03-03')
  assert.equal(found.name, 'gal')
})
await call(m, 'tagsOperations.beginCreateOrUpdateAtScopeAndWait', async () => {
  await resources.tagsOperations.beginCreateOrUpdateAtScopeAndWait(target, { properties: { tags: { a: 'b' } } })
})

const a = 'arm-attestation'
const attestation = new AttestationManagementClient(credential, subscription, options)
await call(a, 'attestationProviders.getDefaultByLocation', async () =>
  assert.ok((await attestation.attestationProviders.getDefaultByLocation(location)).attestUri),
)
await call(a, 'attestationProviders.listDefault', async () =>
  assert.ok(((await attestation.attestationProviders.listDefault()).value ?? []).length > 0),
)
await call(a, 'attestationProviders.create', async () => {
  await attestation.attestationProviders.create(group, 'own', { location, properties: {} })
})
await call(a, 'attestationProviders.get', async () =>
  assert.equal((await attestation.attestationProviders.get(group, 'own')).trustModel, 'AAD'),
)
await call(a, 'attestationProviders.listByResourceGroup', async () =>
  assert.equal((await attestation.attestationProviders.listByResourceGroup(group)).value?.length, 1),
)
await call(a, 'attestationProviders.delete', async () => await attestation.attestationProviders.delete(group, 'own'))

for (const name of [group, 'elsewhere']) await resources.resourceGroups.beginDeleteAndWait(name)
