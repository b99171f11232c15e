import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { referenceImage } from '../../../testing/fake-wire.ts'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import {
  codesOf,
  makeNetwork,
  networkPath,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
})
afterAll(async () => await plane.close())

const put = async (bend: (body: Loose) => void, name = 'vm1'): Promise<TestReply> => {
  const body = vmRequest('vm1')
  bend(body)
  return await plane.send('PUT', vmPath(name), body)
}
const security = (b: Loose): Loose => b.properties.securityProfile
const disk = (b: Loose): Loose => b.properties.storageProfile.osDisk
const encryption = (b: Loose): Loose => disk(b).managedDisk.securityProfile
const size = (b: Loose, name: string): void => void (b.properties.hardwareProfile.vmSize = name)

describe('a VM request is refused', () => {
  const cases: [why: string, bend: (body: Loose) => void, status: number, code: string, message: RegExp][] = [
    [
      'without a security type, in Azure’s words',
      (b) => {
        delete b.properties.securityProfile
        disk(b).managedDisk.securityProfile = null
      },
      400,
      'BadRequest',
      /^The VM size 'Standard_DC2as_v5' is not supported for creation of VMs and Virtual Machine Scale Set with '<NULL>' security type\.$/,
    ],
    [
      'with another security type',
      (b) => (security(b).securityType = 'TrustedLaunch'),
      400,
      'BadRequest',
      /with 'TrustedLaunch' security type\./,
    ],
    [
      'with an ordinary size',
      (b) => size(b, 'Standard_D2as_v5'),
      400,
      'BadRequest',
      new RegExp(
        "^The VM size 'Standard_D2as_v5' is not supported .* 'ConfidentialVM' security type and " +
          "managedDisk\\.securityProfile\\.securityEncryptionType set as 'DiskWithVMGuestState'$",
      ),
    ],
    [
      'with a size that the region does not offer',
      (b) => size(b, 'Standard_DC2as_v6'),
      409,
      'SkuNotAvailable',
      /currently not available in location 'westeurope'/,
    ],
    ['in an unknown region', (b) => (b.location = 'moon'), 400, 'LocationNotAvailableForResourceType', /'moon'/],
    [
      'without an encryption type',
      (b) => delete encryption(b).securityEncryptionType,
      400,
      'BadRequest',
      /Required parameter for Confidential VMs is missing/,
    ],
    [
      'with an unknown encryption type',
      (b) => (encryption(b).securityEncryptionType = 'Everything'),
      400,
      'BadRequest',
      /^Error converting value "Everything" to type/,
    ],
    [
      'without a vTPM',
      (b) => (security(b).uefiSettings.vTpmEnabled = false),
      400,
      'BadRequest',
      /vTpmEnabled must be true/,
    ],
    [
      'with an encrypted disk but without Secure Boot',
      (b) => (security(b).uefiSettings.secureBootEnabled = 'false'),
      400,
      'BadRequest',
      /Secure Boot is required/,
    ],
    [
      'with a vTPM that keeps nothing on AMD',
      (b) => (encryption(b).securityEncryptionType = 'NonPersistedTPM'),
      400,
      'BadRequest',
      /set as 'NonPersistedTPM'/,
    ],
    [
      'without an SSH key',
      (b) => (b.properties.osProfile.linuxConfiguration.ssh.publicKeys = []),
      400,
      'InvalidParameter',
      /at least one public key/,
    ],
    [
      'with an SSH key that holds a second line',
      (b) => (b.properties.osProfile.linuxConfiguration.ssh.publicKeys[0].keyData += '\ncommand="x" ssh-rsa AAAA'),
      400,
      'InvalidParameter',
      /keyData is invalid/,
    ],
    [
      'with a key path elsewhere',
      (b) => (b.properties.osProfile.linuxConfiguration.ssh.publicKeys[0].path = '/root/.ssh/authorized_keys'),
      400,
      'InvalidParameter',
      /limited to its default value/,
    ],
    [
      'with the account root',
      (b) => (b.properties.osProfile.adminUsername = 'root'),
      400,
      'InvalidParameter',
      /not allowed/,
    ],
    [
      'with a host name that is none',
      (b) => (b.properties.osProfile.computerName = 'a b;reboot'),
      400,
      'InvalidParameter',
      /host name/,
    ],
    [
      'with a confidential data disk, naming dm-crypt',
      (b) =>
        (b.properties.storageProfile.dataDisks = [
          {
            lun: 0,
            createOption: 'Empty',
            managedDisk: { securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' } },
          },
        ]),
      400,
      'NotSupported',
      /covers the OS disk only/,
    ],
    ['with a disk that outlives it', (b) => (disk(b).deleteOption = 'Detach'), 400, 'NotSupported', /cannot outlive/],
    [
      'with a disk smaller than the image',
      (b) => (disk(b).diskSizeGB = 1),
      400,
      'OperationNotAllowed',
      /smaller than the size/,
    ],
    [
      'with an interface that does not exist',
      (b) => (b.properties.networkProfile.networkInterfaces[0].id = networkPath('networkInterfaces', 'none')),
      400,
      'InvalidResourceReference',
      /was not found/,
    ],
    [
      'with an image that does not exist',
      (b) => (b.properties.storageProfile.imageReference.publisher = 'Canonical'),
      404,
      'PlatformImageNotFound',
      /is not available/,
    ],
    ['in a zone that does not exist', (b) => (b.zones = ['9']), 400, 'InvalidAvailabilityZone', /supported zones/],
    ['as a spot VM', (b) => (b.properties.priority = 'Spot'), 400, 'NotSupported', /Spot/],
    ['with a licence', (b) => (b.properties.licenseType = 'UBUNTU_PRO'), 400, 'NotSupported', /licenseType/],
    [
      'with fewer cores',
      (b) => (b.properties.hardwareProfile.vmSizeProperties = { vCPUsAvailable: 1 }),
      400,
      'NotSupported',
      /cores/,
    ],
    [
      'with a plan',
      (b) => (b.plan = { name: 'a', product: 'b', publisher: 'c' }),
      400,
      'VMMarketplaceInvalidInput',
      /plan/,
    ],
    [
      'with a body of the wrong form',
      (b) => (b.properties.hardwareProfile = 'big'),
      400,
      'InvalidRequestContent',
      /must be an object/,
    ],
  ]
  it.each(cases)('%s', async (_why, bend, status, code, message) => {
    const reply = await put(bend)
    expect([reply.status, reply.body.error.code]).toEqual([status, code])
    expect(reply.body.error.message).toMatch(message)
    expect(JSON.stringify(reply.body)).not.toContain('Secret-1234')
  })

  it('with every problem at once', async () => {
    const reply = await put((b) => {
      security(b).uefiSettings = {}
      b.properties.osProfile.adminPassword = 'secret1234'
      b.properties.osProfile.linuxConfiguration.disablePasswordAuthentication = false
      b.properties.osProfile.adminUsername = 'Root Account'
    })
    expect(codesOf(reply.body)).toEqual([
      'BadRequest',
      'BadRequest',
      'BadRequest',
      'InvalidParameter',
      'InvalidParameter',
      'InvalidParameter',
    ])
  })

  it('with accelerated networking on its interface', async () => {
    const nic = networkPath('networkInterfaces', 'vm1VMNic')
    const { body } = await plane.send('GET', nic)
    await plane.send('PUT', nic, { ...body, properties: { ...body.properties, enableAcceleratedNetworking: true } })
    const reply = await put(() => {})
    expect(reply.body.error.code).toBe('VMSizeIsNotPermittedToEnableAcceleratedNetworking')
    await plane.send('PUT', nic, body)
  })

  it('while the reference image is not built, with the command that builds it', async () => {
    plane.wire.images = []
    const reply = await put(() => {})
    plane.wire.images = [referenceImage]
    expect(reply.body.error).toMatchObject({
      code: 'ImageNotBuilt',
      innererror: { remedy: expect.stringContaining('image build') },
    })
  })

  it('when its image does not qualify, with the reasons', async () => {
    plane.wire.images = [
      {
        ...referenceImage,
        qualifies: { confidential: false, diskEncryption: false, reasons: ['It has no EFI system partition.'] },
      },
    ]
    const reply = await put(() => {})
    plane.wire.images = [referenceImage]
    expect(reply.body.error.message).toMatch(/does not support .*It has no EFI system partition\./)
  })

  it('under a name that no host name can be made of', async () => {
    expect((await put(() => {}, 'vm1-')).body.error.code).toBe('InvalidResourceName')
  })

  it('and nothing of it stays behind', async () => {
    expect((await plane.send('GET', vmPath('vm1'))).status).toBe(404)
    expect([plane.wire.instances.size, plane.wire.keys.size]).toEqual([0, 0])
  })
})

describe('a change of a VM', () => {
  beforeAll(async () => {
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
  })

  const fixed: [property: string, bend: (body: Loose) => void][] = [
    [
      'storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType',
      (b) => (encryption(b).securityEncryptionType = 'VMGuestStateOnly'),
    ],
    ['securityProfile.securityType', (b) => (security(b).securityType = 'TrustedLaunch')],
    ['securityProfile.uefiSettings.vTpmEnabled', (b) => (security(b).uefiSettings.vTpmEnabled = false)],
    ['storageProfile.imageReference', (b) => (b.properties.storageProfile.imageReference.sku = 'other')],
    ['osProfile.adminUsername', (b) => (b.properties.osProfile.adminUsername = 'someone')],
    ['osProfile.computerName', (b) => (b.properties.osProfile.computerName = 'other')],
  ]
  it.each(fixed)('of %s is refused: it is fixed at creation', async (property, bend) => {
    const reply = await put(bend)
    expect([reply.status, reply.body.error.code, reply.body.error.target]).toEqual([
      409,
      'PropertyChangeNotAllowed',
      property,
    ])
    expect(reply.body.error.message).toBe(`Changing property '${property}' is not allowed.`)
  })

  it('to a size of the other processor while it is allocated, or with a temporary disk, is refused', async () => {
    expect((await put((b) => size(b, 'Standard_DC2es_v5'))).body.error.message).toMatch(
      /convert VM 'vm1' between AMD SEV-SNP and Intel TDX: it must be deallocated/,
    )
    expect((await put((b) => size(b, 'Standard_DC2ads_v5'))).body.error.message).toMatch(
      /resource disk to non-resource disk/,
    )
  })

  it('of Secure Boot under an encrypted disk is refused', async () => {
    const reply = await plane.send('PATCH', vmPath('vm1'), {
      properties: { securityProfile: { uefiSettings: { secureBootEnabled: false } } },
    })
    expect(reply.body.error.message).toMatch(/Secure Boot is required/)
  })

  const resize = (vmSize: string): Loose => ({ properties: { hardwareProfile: { vmSize } } })

  it('of its size while it is off reaches the host at the next start', async () => {
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    const changed = await plane.send('PATCH', vmPath('vm1'), resize('Standard_DC4as_v5'))
    expect([changed.status, changed.body.properties.hardwareProfile.vmSize]).toEqual([200, 'Standard_DC4as_v5'])
    expect(changed.headers['azure-asyncoperation']).toBeUndefined()
    await plane.run('POST', `${vmPath('vm1')}/start`)
    expect([...plane.wire.instances.values()][0]?.spec.size).toEqual({
      name: 'Standard_DC4as_v5',
      vCPUs: 4,
      memoryMiB: 16_384,
    })
  })

  it('of its size while it runs restarts it in the new one', async () => {
    const { reply, operation } = await plane.run('PATCH', vmPath('vm1'), resize('Standard_DC8as_v5'))
    expect([reply.status, reply.body.properties.provisioningState]).toEqual([200, 'Updating'])
    expect(operation.status).toBe('Succeeded')
    const [instance] = plane.wire.instances.values()
    expect([instance?.spec.size?.vCPUs, instance?.power.state]).toEqual([8, 'Ready'])
    const { body } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect(body.properties).toMatchObject({
      provisioningState: 'Succeeded',
      hardwareProfile: { vmSize: 'Standard_DC8as_v5' },
      instanceView: { statuses: expect.arrayContaining([expect.objectContaining({ code: 'PowerState/running' })]) },
    })
  })

  it('of its size together with what needs a stop does not restart it', async () => {
    const both = resize('Standard_DC4as_v5')
    both.properties.securityProfile = { encryptionAtHost: true }
    expect((await plane.send('PATCH', vmPath('vm1'), both)).body.error.code).toBe('OperationNotAllowed')
  })

  it('of its size over the quota leaves it running as it was', async () => {
    await makeNetwork(plane, 'vm3')
    const other = vmRequest('vm3')
    size(other, 'Standard_DC8as_v5')
    await plane.run('PUT', vmPath('vm3'), other)
    const reply = await plane.send('PATCH', vmPath('vm1'), resize('Standard_DC96as_v5'))
    expect([reply.status, reply.body.error?.code]).toEqual([409, 'OperationNotAllowed'])
    expect([...plane.wire.instances.values()][0]?.power.state).toBe('Ready')
    await plane.run('DELETE', vmPath('vm3'))
  })

  it('of its tags needs no stop', async () => {
    const reply = await plane.send('PATCH', vmPath('vm1'), { tags: { Owner: 'me' } })
    expect([reply.status, reply.body.tags]).toEqual([200, { Owner: 'me' }])
  })

  it('on an older state than the present one is refused', async () => {
    const reply = await plane.send('PATCH', vmPath('vm1'), { tags: {} }, { headers: { 'if-match': 'W/"old"' } })
    expect([reply.status, reply.body.error.code]).toEqual([412, 'PreconditionFailed'])
  })

  it('cannot give its interface to a second VM', async () => {
    const reply = await put(() => {}, 'vm2')
    expect(reply.body.error.code).toBe('NicInUse')
  })
})
