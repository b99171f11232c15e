import { ServiceError, type WireClient } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faqLink, type FaqRuleId } from '../../../arm/faq-rule.ts'
import { FakeWire } from '../../../testing/fake-wire.ts'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  rulesOf,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

type Plane = TestPlane & { close(): Promise<void> }
const location = 'westeurope'
const compute = `${group}/providers/Microsoft.Compute`
const subscription = `/subscriptions/${subscriptionId}`
const gallery = `${compute}/galleries/gal`
const disk = (name: string): string => `${compute}/disks/${name}`
const set = `${compute}/diskEncryptionSets/set`
const keyUrl = (vault: string): string => `https://${vault}.vault.strongroom.internal/keys/disk/${'1'.repeat(32)}`
const security = (r: Loose): Loose => r.properties.storageProfile.osDisk.managedDisk.securityProfile

let plane: Plane
/** Its host refuses to import images, like one whose image does not qualify. */
let wired: Plane
const wire = new FakeWire()
const refusing: WireClient = {
  close: () => {},
  request: async (o) => {
    if (!o.url.endsWith('/images/import')) return await wire.request(o)
    const details = [{ code: 'NoRootPartition' as const, message: 'There is no root partition.' }]
    throw new ServiceError({ code: 'ImageNotQualified', status: 400, message: 'Not qualified.', details })
  },
}

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  wired = await openSqlitePlane({ wire, through: refusing })
  for (const name of ['crypt', 'open', 'new']) await makeNetwork(plane, name)
  await makeNetwork(wired, 'vm1')
  for (const name of ['crypt', 'open']) {
    const request = vmRequest(name)
    if (name === 'open') {
      delete request.properties.storageProfile.osDisk.managedDisk.securityProfile
      request.properties.securityProfile = { securityType: 'TrustedLaunch', uefiSettings: { vTpmEnabled: true } }
      request.properties.hardwareProfile.vmSize = 'Standard_D2as_v5'
    }
    const { operation } = await plane.run('PUT', vmPath(name), request)
    expect(operation.status, JSON.stringify(operation.error)).toBe('Succeeded')
    await plane.run('POST', `${vmPath(name)}/deallocate`)
    expect((await plane.send('POST', `${vmPath(name)}/generalize`)).status).toBe(200)
  }
  await plane.send('PUT', gallery, { location })
  for (const value of ['ConfidentialVM', 'ConfidentialVmSupported'])
    expect((await plane.send('PUT', `${gallery}/images/${value}`, definition(value))).status).toBe(201)
  await settled(`${gallery}/images/ConfidentialVM/versions/1.0.0`, version({ virtualMachineId: vmPath('crypt') }))
  await settled(disk('data'), { location, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 } })
  const imageReference = { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm' }
  const creationData = { createOption: 'FromImage', imageReference }
  await settled(disk('bare'), { location, properties: { osType: 'Linux', creationData } })
  const osDisk = { osType: 'Linux', osState: 'Generalized', managedDisk: { id: disk('bare') } }
  await settled(`${compute}/images/managed`, { location, properties: { storageProfile: { osDisk } } })
  for (const [name, sku] of [
    ['box', 'premium'],
    ['cheap', 'standard'],
  ] as const) {
    const properties = {
      tenantId,
      sku: { family: 'A', name: sku },
      accessPolicies: [],
      enablePurgeProtection: true,
      enabledForDiskEncryption: true,
    }
    const path = `${group}/providers/Microsoft.KeyVault/vaults/${name}`
    expect((await wired.send('PUT', path, { location, properties })).status).toBe(201)
  }
  wire.customerKeys.keys.set(keyUrl('box'), {})
})
afterAll(async () => {
  await plane.close()
  await wired.close()
})

async function settled(path: string, body: unknown): Promise<void> {
  const reply = await plane.send('PUT', path, body)
  expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300)
  if (reply.status !== 200) expect((await plane.follow(reply)).status).toBe('Succeeded')
}

const definition = (value: string, hyperVGeneration = 'V2'): Loose => ({
  location,
  properties: {
    osType: 'Linux',
    osState: 'Generalized',
    hyperVGeneration,
    identifier: { publisher: 'me', offer: 'app', sku: `${value}${hyperVGeneration}` },
    features: [{ name: 'SecurityType', value }],
  },
})
const version = (source: object, region: Loose = {}): Loose => ({
  location,
  properties: {
    publishingProfile: { targetRegions: [{ name: location }, ...(region['name'] === undefined ? [] : [region])] },
    storageProfile: { source },
  },
})
const encryptedAs = (type: string, name: string = 'westeurope'): Loose => ({
  name,
  encryption: { osDiskImage: { securityProfile: { confidentialVMEncryptionType: type } } },
})

const put = async (path: string, body: unknown): Promise<TestReply> => await plane.send('PUT', path, body)
const vm = async (bend: (r: Loose) => void, name = 'new'): Promise<TestReply> => {
  const request = vmRequest(name)
  bend(request)
  return await plane.send('PUT', vmPath(name), request)
}
const ofImage = async (id: string, bend: (r: Loose) => void = () => {}): Promise<TestReply> =>
  await vm((r) => {
    r.properties.storageProfile.imageReference = { id }
    bend(r)
  })
const ofDefinition = async (name: string, body: Loose): Promise<TestReply> =>
  await put(`${gallery}/images/${name}/versions/9.0.0`, body)
const withDataDisk = async (managedDisk: object): Promise<TestReply> =>
  await vm(
    (r) => (r.properties.storageProfile.dataDisks = [{ lun: 0, createOption: 'Empty', diskSizeGB: 4, managedDisk }]),
  )
const emptyDisk = async (properties: object): Promise<TestReply> =>
  await put(disk('none'), {
    location,
    properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4, ...properties },
  })
const copy = async (name: string, securityType: string): Promise<TestReply> =>
  await put(disk('copy'), {
    location,
    properties: { creationData: { createOption: 'Copy', sourceResourceId: name }, securityProfile: { securityType } },
  })
const osDiskOf = async (name: string): Promise<string> =>
  (await plane.send('GET', vmPath(name))).body.properties.storageProfile.osDisk.managedDisk.id as string
const encryptionSet = async (properties: object, vault = 'box'): Promise<TestReply> =>
  await wired.send('PUT', set, {
    location,
    identity: { type: 'SystemAssigned' },
    properties: {
      activeKey: { keyUrl: keyUrl(vault) },
      encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
      ...properties,
    },
  })
const managedImageOf = async (name: string): Promise<TestReply> =>
  await put(`${compute}/images/none`, { location, properties: { sourceVirtualMachine: { id: vmPath(name) } } })

const rows: [string, FaqRuleId, () => Promise<TestReply>][] = [
  [
    'a confidential image definition of generation V1',
    'S12',
    async () => await put(`${gallery}/images/v1`, definition('ConfidentialVM', 'V1')),
  ],
  [
    'a version of a disk without a system',
    'S12',
    async () => await ofDefinition('ConfidentialVM', version({ id: disk('data') })),
  ],
  [
    'a confidential version of a disk without guest state',
    'S12',
    async () => await ofDefinition('ConfidentialVM', version({ id: disk('bare') })),
  ],
  [
    'a version of a confidential VM in a definition for others',
    'S13',
    async () => await ofDefinition('ConfidentialVmSupported', version({ virtualMachineId: vmPath('crypt') })),
  ],
  [
    'a version whose guest state would be elsewhere',
    'S13',
    async () =>
      await ofDefinition(
        'ConfidentialVM',
        version({ virtualMachineId: vmPath('crypt') }, encryptedAs('EncryptedWithPmk', 'northeurope')),
      ),
  ],
  [
    'a version of another encryption type than its source',
    'S16',
    async () =>
      await ofDefinition(
        'ConfidentialVM',
        version({ virtualMachineId: vmPath('crypt') }, encryptedAs('EncryptedVMGuestStateOnlyWithPmk', 'northeurope')),
      ),
  ],
  [
    'a version in an unknown region',
    'S24',
    async () =>
      await ofDefinition('ConfidentialVM', version({ virtualMachineId: vmPath('crypt') }, { name: 'Atlantis' })),
  ],
  ['a managed image of a confidential VM', 'S13', async () => await managedImageOf('crypt')],
  ['a managed image of a TrustedLaunch VM', 'S13', async () => await managedImageOf('open')],
  ['a confidential VM of a managed image', 'S13', async () => await ofImage(`${compute}/images/managed`)],
  [
    'an ordinary VM of a confidential image',
    'S12',
    async () =>
      await ofImage(
        `${gallery}/images/ConfidentialVM`,
        (r) => (r.properties.securityProfile = { securityType: 'TrustedLaunch' }),
      ),
  ],
  [
    'another encryption type than the image was captured with',
    'S16',
    async () =>
      await ofImage(
        `${gallery}/images/ConfidentialVM`,
        (r) => (security(r).securityEncryptionType = 'VMGuestStateOnly'),
      ),
  ],
  [
    'a confidential disk of one without guest state',
    'S18',
    async () => await copy(disk('bare'), 'ConfidentialVM_DiskEncryptedWithPlatformKey'),
  ],
  [
    'a disk of another encryption than its source',
    'S16',
    async () => await copy(await osDiskOf('crypt'), 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey'),
  ],
  [
    'the import of an image that does not qualify',
    'S12',
    async () =>
      await wired.send('POST', `${subscription}/providers/Strongroom.Machine/images/import`, {
        path: '/tmp/disk.raw',
        name: 'mine',
      }),
  ],
  [
    'a data disk with confidential encryption',
    'S7',
    async () => await withDataDisk({ securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' } }),
  ],
  ['a data disk under a disk-encryption set', 'S7', async () => await withDataDisk({ diskEncryptionSet: { id: set } })],
  [
    'an empty disk with a security profile',
    'S7',
    async () => await emptyDisk({ securityProfile: { securityType: 'TrustedLaunch' } }),
  ],
  [
    'an empty disk under a disk-encryption set',
    'S7',
    async () => await emptyDisk({ encryption: { diskEncryptionSetId: set } }),
  ],
  [
    'a disk-encryption set for disks at rest',
    'S7',
    async () => await encryptionSet({ encryptionType: 'EncryptionAtRestWithCustomerKey' }),
  ],
  ['a disk-encryption set whose key cannot be released', 'S2', async () => await encryptionSet({}, 'cheap')],
  [
    'a disk-encryption set without full OS-disk encryption',
    'S14',
    async () =>
      await vm((r) =>
        Object.assign(security(r), { securityEncryptionType: 'VMGuestStateOnly', diskEncryptionSet: { id: set } }),
      ),
  ],
  [
    'a disk-encryption set for a VM that has none',
    'S16',
    async () => await vm((r) => (security(r).diskEncryptionSet = { id: set }), 'crypt'),
  ],
  [
    'a size that nobody has',
    'S20',
    async () => await vm((r) => (r.properties.hardwareProfile.vmSize = 'Standard_DC3as_v5')),
  ],
  [
    'a size that the region does not offer',
    'S24',
    async () => await vm((r) => Object.assign(r, { location: 'brazilsouth' })),
  ],
  ['a VM in an unknown region', 'S24', async () => await vm((r) => (r.location = 'atlantis'))],
  [
    'a group in an unknown region',
    'S24',
    async () => await put(`${subscription}/resourceGroups/far`, { location: 'atlantis' }),
  ],
  ['a zone that the region has not', 'S24', async () => await vm((r) => (r.zones = ['9']))],
  [
    'the sizes of an unknown region',
    'S24',
    async () => await plane.send('GET', `${subscription}/providers/Microsoft.Compute/locations/atlantis/vmSizes`),
  ],
]

describe('refusals that follow from a rule of the FAQ', () => {
  it.each(rows)('%s is refused by %s, which the answer cites with its address', async (_what, rule, ask) => {
    const { status, body } = await ask()
    expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    expect(rulesOf(body), JSON.stringify(body)).toContain(rule)
    const cited = (body.error.details as Loose[]).find(({ target }) => target === rule)
    expect(cited?.message).toContain(faqLink(rule))
  })

  it('a boot that the host refuses cites the rule in its operation too', async () => {
    wire.provisioningError = { code: 'ImageNotQualified', message: 'No.', innererror: { remedy: 'Another image.' } }
    const { operation } = await wired.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect(operation.error).toMatchObject({ code: 'ImageNotQualified', innererror: { remedy: 'Another image.' } })
    expect(rulesOf({ error: operation.error! })).toEqual(['S12'])
  })
})
