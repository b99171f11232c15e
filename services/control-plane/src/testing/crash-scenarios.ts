import {
  group,
  makeNetwork,
  ownerId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from './test-plane.ts'
import { setPath as scaleSetPath, setRequest } from './scale-set.ts'

/** A client request, in the resource group that the tests' helpers use. */
export interface CrashScenario {
  prepare(plane: TestPlane, name: string): Promise<void>
  act(plane: TestPlane, name: string): Promise<TestReply>
}

const location = 'westeurope'
const diskPath = (name: string): string => `${group}/providers/Microsoft.Compute/disks/${name}`
const emptyDisk = { location, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 8 } }
const provider = (kind: string, name: string): string => `${group}/providers/${kind}/${name}`

/** A VM with an identity, a public address and a disk created with it. */
const wholeVm = (): Loose => {
  const body = vmRequest('vm1')
  body.identity = { type: 'SystemAssigned' }
  body.properties.storageProfile.dataDisks = [{ lun: 0, createOption: 'Empty', diskSizeGB: 4, deleteOption: 'Delete' }]
  return body
}

const done = async (plane: TestPlane, method: string, path: string, body?: unknown): Promise<void> => {
  const reply = await plane.send(method, path, body)
  if (reply.status >= 400) throw new Error(JSON.stringify(reply.body))
  if (reply.headers['azure-asyncoperation'] === undefined) return
  const operation = await plane.follow(reply)
  if (operation.status !== 'Succeeded') throw new Error(JSON.stringify(operation))
}

const withVm = async (plane: TestPlane): Promise<void> => {
  await makeNetwork(plane, 'vm1')
  await done(plane, 'PUT', vmPath('vm1'), wholeVm())
}
const withStoppedVm = async (plane: TestPlane): Promise<void> => {
  await withVm(plane)
  await done(plane, 'POST', `${vmPath('vm1')}/deallocate`)
}
const action =
  (name: string): CrashScenario['act'] =>
  async (plane) =>
    await plane.send('POST', `${vmPath('vm1')}/${name}`)

const vault = (): Loose => ({
  location,
  properties: { tenantId, sku: { family: 'A', name: 'premium' }, enableRbacAuthorization: true },
})
const hsm = (): Loose => ({
  location,
  sku: { family: 'B', name: 'Standard_B1' },
  properties: { tenantId, initialAdminObjectIds: [ownerId] },
})
const template = (): Loose => ({
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  resources: [
    { type: 'Microsoft.Network/publicIPAddresses', apiVersion: '2023-09-01', name: 'ip', location },
    { ...emptyDisk, type: 'Microsoft.Compute/disks', apiVersion: '2024-03-02', name: 'd', dependsOn: ['ip'] },
    { ...wholeVm(), type: 'Microsoft.Compute/virtualMachines', apiVersion: '2024-11-01', name: 'vm1' },
  ],
})

const setPath = `${group}/providers/Microsoft.Compute/diskEncryptionSets/set`
const setKey = (name: string, version: string): string =>
  `https://kv-${name}.vault.strongroom.internal/keys/disk/${version.repeat(32)}`
const encryptionSet = (name: string, version: string): Loose => ({
  location,
  identity: { type: 'SystemAssigned' },
  properties: {
    activeKey: { keyUrl: setKey(name, version) },
    encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
  },
})
const vaultForDisks = (): Loose => ({
  location,
  properties: {
    tenantId,
    sku: { family: 'A', name: 'premium' },
    accessPolicies: [],
    enablePurgeProtection: true,
    enabledForDiskEncryption: true,
  },
})

const snapshotPath = `${group}/providers/Microsoft.Compute/snapshots/s`
const snapshot = async (plane: TestPlane): Promise<TestReply> => {
  const { body } = await plane.send('GET', vmPath('vm1'))
  const sourceResourceId = body.properties.storageProfile.osDisk.managedDisk.id as string
  return await plane.send('PUT', snapshotPath, {
    location,
    properties: { creationData: { createOption: 'Copy', sourceResourceId } },
  })
}

const withScaleSet = async (plane: TestPlane): Promise<void> => {
  await makeNetwork(plane, 'vm1')
  await done(plane, 'PUT', scaleSetPath('web'), setRequest(2))
}

const withAttachedDisk = async (plane: TestPlane): Promise<void> => {
  await withVm(plane)
  await done(plane, 'PUT', diskPath('own'), emptyDisk)
}
const attach = async (plane: TestPlane, detach: boolean): Promise<TestReply> => {
  const { body } = await plane.send('GET', vmPath('vm1'))
  const disks = body.properties.storageProfile.dataDisks as Loose[]
  const held = disks.find((each) => String(each.managedDisk.id).endsWith('/own'))
  if (detach && held !== undefined) held.toBeDetached = true
  if (!detach && held === undefined)
    disks.push({ lun: 5, createOption: 'Attach', managedDisk: { id: diskPath('own') } })
  return await plane.send('PUT', vmPath('vm1'), body)
}

/** Attached and detached once, so the host has it. */
const withUsedDisk = async (plane: TestPlane): Promise<void> => {
  await withAttachedDisk(plane)
  for (const detach of [false, true]) {
    const reply = await attach(plane, detach)
    if ((await plane.follow(reply)).status !== 'Succeeded') throw new Error(JSON.stringify(reply.body))
  }
}
/** A disk whose upload a client has begun; without guests there is no address to write to, so its state is set directly. */
const withUpload = async (plane: TestPlane, name: string): Promise<void> => {
  await done(plane, 'PUT', group, { location })
  const creationData = { createOption: 'Upload', uploadSizeBytes: 32 * 2 ** 20 + 512 }
  await done(plane, 'PUT', diskPath('up'), { location, properties: { creationData } })
  const key = diskPath('up').replace('/rg1/', `/${name}/`).toLowerCase()
  const row = await plane.store.db.selectFrom('resource').selectAll().where('key', '=', key).executeTakeFirstOrThrow()
  const body = String(row['body']).replace('"diskState":"ReadyToUpload"', '"diskState":"ActiveUpload"')
  await plane.store.db.updateTable('resource').set({ body }).where('key', '=', key).execute()
}

const resize = async (plane: TestPlane): Promise<TestReply> =>
  await plane.send('PATCH', vmPath('vm1'), { properties: { hardwareProfile: { vmSize: 'Standard_DC4as_v5' } } })

/** Everything that changes more than one row, by its name in tests. */
export const crashScenarios: Record<string, CrashScenario> = {
  'creation of a VM': {
    prepare: async (plane) => await makeNetwork(plane, 'vm1'),
    act: async (plane) => await plane.send('PUT', vmPath('vm1'), wholeVm()),
  },
  'start of a VM': { prepare: withStoppedVm, act: action('start') },
  'restart of a VM': { prepare: withVm, act: action('restart') },
  'power-off of a VM': { prepare: withVm, act: action('powerOff') },
  'deallocation of a VM': { prepare: withVm, act: action('deallocate') },
  'resizing of a running VM': { prepare: withVm, act: resize },
  'resizing of a VM': {
    prepare: withStoppedVm,
    act: async (plane) => {
      await resize(plane)
      return await plane.send('POST', `${vmPath('vm1')}/start`)
    },
  },
  'snapshot of a disk': { prepare: withStoppedVm, act: async (plane) => await snapshot(plane) },
  'deletion of a snapshot': {
    prepare: async (plane) => {
      await withStoppedVm(plane)
      const reply = await snapshot(plane)
      if (reply.status >= 400) throw new Error(JSON.stringify(reply.body))
      if ((await plane.follow(reply)).status !== 'Succeeded') throw new Error('there is no snapshot')
    },
    act: async (plane) => await plane.send('DELETE', snapshotPath),
  },
  'creation of a scale set': {
    prepare: async (plane) => await makeNetwork(plane, 'vm1'),
    act: async (plane) => await plane.send('PUT', scaleSetPath('web'), setRequest(2)),
  },
  'scaling in of a scale set': {
    prepare: withScaleSet,
    act: async (plane) => await plane.send('PUT', scaleSetPath('web'), setRequest(1)),
  },
  'deallocation of a scale set': {
    prepare: withScaleSet,
    act: async (plane) => await plane.send('POST', `${scaleSetPath('web')}/deallocate`),
  },
  'deletion of a scale set': {
    prepare: withScaleSet,
    act: async (plane) => await plane.send('DELETE', scaleSetPath('web')),
  },
  'rotation of a disk-encryption set': {
    prepare: async (plane, name) => {
      await makeNetwork(plane, 'vm1')
      const box = provider('Microsoft.KeyVault/vaults', `kv-${name}`)
      await done(plane, 'PUT', box, vaultForDisks())
      for (const version of ['1', '2']) plane.wire.customerKeys.keys.set(setKey(name, version), {})
      await done(plane, 'PUT', setPath, encryptionSet(name, '1'))
      plane.wire.customerKeys.grant(setPath.replace('/rg1/', `/${name}/`))
      const body = vmRequest('vm1')
      body.properties.storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet = { id: setPath }
      await done(plane, 'PUT', vmPath('vm1'), body)
      await done(plane, 'POST', `${vmPath('vm1')}/deallocate`)
    },
    act: async (plane, name) => await plane.send('PUT', setPath, encryptionSet(name, '2')),
  },
  'deletion of a VM': { prepare: withVm, act: async (plane) => await plane.send('DELETE', vmPath('vm1')) },
  'creation of a disk': {
    prepare: async (plane) => await done(plane, 'PUT', group, { location }),
    act: async (plane) => await plane.send('PUT', diskPath('own'), emptyDisk),
  },
  'attaching of a disk': { prepare: withAttachedDisk, act: async (plane) => await attach(plane, false) },
  'detaching of a disk': {
    prepare: async (plane) => {
      await withAttachedDisk(plane)
      await plane.follow(await attach(plane, false))
    },
    act: async (plane) => await attach(plane, true),
  },
  'deletion of a disk that a VM had': {
    prepare: withUsedDisk,
    act: async (plane) => await plane.send('DELETE', diskPath('own')),
  },
  'end of an upload': {
    prepare: withUpload,
    act: async (plane) => await plane.send('POST', `${diskPath('up')}/endGetAccess`),
  },
  'deletion of a disk': {
    prepare: async (plane) => {
      await done(plane, 'PUT', group, { location })
      await done(plane, 'PUT', diskPath('own'), emptyDisk)
    },
    act: async (plane) => await plane.send('DELETE', diskPath('own')),
  },
  'deletion of a network interface': {
    prepare: async (plane) => await makeNetwork(plane, 'vm1'),
    act: async (plane) => await plane.send('DELETE', provider('Microsoft.Network/networkInterfaces', 'vm1VMNic')),
  },
  'deletion of a group': {
    prepare: async (plane, name) => {
      await withVm(plane)
      await done(plane, 'PUT', provider('Microsoft.KeyVault/vaults', `kv-${name}`), vault())
      await done(plane, 'PUT', provider('Microsoft.KeyVault/managedHSMs', `hsm-${name}`), hsm())
      await done(plane, 'PUT', provider('Microsoft.Attestation/attestationProviders', `at${name}`), { location })
    },
    act: async (plane) => await plane.send('DELETE', group),
  },
  deployment: {
    prepare: async (plane) => await makeNetwork(plane, 'vm1'),
    act: async (plane) =>
      await plane.send('PUT', provider('Microsoft.Resources/deployments', 'd1'), {
        properties: { mode: 'Incremental', template: template() },
      }),
  },
  'complete deployment': {
    prepare: withVm,
    act: async (plane) =>
      await plane.send('PUT', provider('Microsoft.Resources/deployments', 'd1'), {
        properties: { mode: 'Complete', template: { ...template(), resources: template().resources.slice(0, 1) } },
      }),
  },
  'creation of a vault': {
    prepare: async (plane) => await done(plane, 'PUT', group, { location }),
    act: async (plane, name) => await plane.send('PUT', provider('Microsoft.KeyVault/vaults', `kv-${name}`), vault()),
  },
  'deletion of a vault': {
    prepare: async (plane, name) => {
      await done(plane, 'PUT', group, { location })
      await done(plane, 'PUT', provider('Microsoft.KeyVault/vaults', `kv-${name}`), vault())
    },
    act: async (plane, name) => await plane.send('DELETE', provider('Microsoft.KeyVault/vaults', `kv-${name}`)),
  },
  'creation of a managed HSM': {
    prepare: async (plane) => await done(plane, 'PUT', group, { location }),
    act: async (plane, name) =>
      await plane.send('PUT', provider('Microsoft.KeyVault/managedHSMs', `hsm-${name}`), hsm()),
  },
  'deletion of a managed HSM': {
    prepare: async (plane, name) => {
      await done(plane, 'PUT', group, { location })
      await done(plane, 'PUT', provider('Microsoft.KeyVault/managedHSMs', `hsm-${name}`), hsm())
    },
    act: async (plane, name) => await plane.send('DELETE', provider('Microsoft.KeyVault/managedHSMs', `hsm-${name}`)),
  },
  'deletion of an attestation provider': {
    prepare: async (plane, name) => {
      await done(plane, 'PUT', group, { location })
      await done(plane, 'PUT', provider('Microsoft.Attestation/attestationProviders', `at${name}`), { location })
    },
    act: async (plane, name) =>
      await plane.send('DELETE', provider('Microsoft.Attestation/attestationProviders', `at${name}`)),
  },
}
