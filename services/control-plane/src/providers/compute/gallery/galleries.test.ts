import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import {
  codesOf,
  group,
  makeNetwork,
  networkPath,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
const location = 'westeurope'
const compute = `${group}/providers/Microsoft.Compute`
const gallery = `${compute}/galleries/gal`
const definition = (name: string): string => `${gallery}/images/${name}`

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  for (const name of ['plain', 'crypt', 'sys', 'new1', 'new2', 'new3', 'tdx']) await makeNetwork(plane, name)
  await plane.send('PUT', gallery, { location, properties: { description: 'ours' } })
  await create('plain', (r) => void (security(r).securityEncryptionType = 'VMGuestStateOnly'))
  await create('crypt')
  await create('sys')
  await create('tdx', (r) => {
    security(r).securityEncryptionType = 'NonPersistedTPM'
    r.properties.hardwareProfile.vmSize = 'Standard_DC2es_v5'
  })
  for (const name of ['plain', 'crypt', 'sys', 'tdx']) await plane.run('POST', `${vmPath(name)}/deallocate`)
  for (const name of ['plain', 'crypt', 'tdx'])
    expect((await plane.send('POST', `${vmPath(name)}/generalize`)).status).toBe(200)
  await define('general', 'Generalized')
  await define('special', 'Specialized')
  await define('open', 'Generalized', 'ConfidentialVmSupported')
  await define('trusted', 'Generalized', 'TrustedLaunchSupported')
})
afterAll(async () => await plane.close())

const security = (r: Loose): Loose => r.properties.storageProfile.osDisk.managedDisk.securityProfile

async function create(name: string, bend: (r: Loose) => void = () => {}): Promise<void> {
  const request = vmRequest(name)
  bend(request)
  expect((await plane.run('PUT', vmPath(name), request)).operation.status).toBe('Succeeded')
}

async function define(name: string, osState: string, value = 'ConfidentialVM'): Promise<TestReply> {
  return await plane.send('PUT', definition(name), {
    location,
    properties: {
      osType: 'Linux',
      osState,
      hyperVGeneration: 'V2',
      identifier: { publisher: 'me', offer: 'app', sku: name },
      features: [{ name: 'SecurityType', value }],
      disallowed: {},
    },
  })
}

const versionBody = (source: object, regions?: object[]): Loose => ({
  location,
  properties: {
    publishingProfile: regions === undefined ? {} : { targetRegions: regions },
    storageProfile: { source },
  },
})
const ofVm = (name: string): object => ({ virtualMachineId: vmPath(name) })
const encrypted = (type: string, regions = ['West Europe']): object[] =>
  regions.map((region) => ({
    name: region,
    encryption: { osDiskImage: { securityProfile: { confidentialVMEncryptionType: type } } },
  }))
const put = async (path: string, body: unknown): Promise<TestReply> => await plane.send('PUT', path, body)

async function settled(path: string, body: unknown): Promise<Loose> {
  const { operation } = await plane.run('PUT', path, body)
  expect(operation.status, JSON.stringify(operation.error)).toBe('Succeeded')
  return (await plane.send('GET', path)).body
}

function vmOf(name: string, image: string, bend: (r: Loose) => void = () => {}): Loose {
  const request = vmRequest(name)
  request.properties.storageProfile.imageReference = { id: image }
  bend(request)
  return request
}

describe('galleries and image definitions', () => {
  it('are made, listed, changed and shown as Azure shows them', async () => {
    const { body } = await plane.send('GET', gallery)
    expect(body.properties.identifier.uniqueName).toMatch(/-GAL$/)
    expect((await plane.send('PATCH', gallery, { tags: { a: 'b' } })).body.tags).toEqual({ a: 'b' })
    expect((await plane.send('GET', gallery)).body.properties.description).toBe('ours')
    const names = (await plane.send('GET', `${gallery}/images`)).body.value.map(({ name }: { name: string }) => name)
    expect(names).toEqual(['general', 'open', 'special', 'trusted'])
  })

  it('refuse names, generations, features and changes that Azure refuses', async () => {
    expect(codesOf((await put(`${compute}/galleries/a-b`, { location })).body)).toEqual(['InvalidParameter'])
    const old = { osType: 'Linux', osState: 'Generalized', identifier: { publisher: 'a', offer: 'b', sku: 'c' } }
    const features = [{ name: 'SecurityType', value: 'confidentialvm' }]
    const first = await put(definition('old'), { location, properties: { ...old, features } })
    expect(first.body.error).toMatchObject({ code: 'InvalidParameter', target: 'properties.hyperVGeneration' })
    const unknown = await put(definition('old'), {
      location,
      properties: { ...old, hyperVGeneration: 'V2', features: [{ name: 'SecurityType', value: 'Magic' }] },
    })
    expect(unknown.body.error.message).toContain("'Magic'")
    const ended = { ...old, hyperVGeneration: 'V2', endOfLifeDate: '2026-02-30T00:00:00Z' }
    const noDay = await put(definition('old'), { location, properties: ended })
    expect(noDay.body.error).toMatchObject({ code: 'InvalidParameter', target: 'properties.endOfLifeDate' })
    const changed = await plane.send('PATCH', definition('general'), { properties: { osState: 'Specialized' } })
    expect(changed.body.error.code).toBe('PropertyChangeNotAllowed')
    expect((await define('general2', 'Generalized')).status).toBe(201)
    const twin = await put(definition('twin'), {
      location,
      properties: { ...old, hyperVGeneration: 'V2', identifier: { publisher: 'ME', offer: 'app', sku: 'general' } },
    })
    expect(twin.body.error.code).toBe('Conflict')
    expect((await plane.send('DELETE', definition('general2'))).status).toBe(200)
  })

  it('are not shared with communities or tenants, and say so', async () => {
    const shared = await put(`${compute}/galleries/pub`, {
      location,
      properties: { sharingProfile: { permissions: 'Community' } },
    })
    expect(shared.body.error.code).toBe('NotOffered')
    expect((await plane.send('POST', `${gallery}/share`, {})).body.error.code).toBe('NotOffered')
    const version = await put(`${definition('open')}/versions/9.0.0`, versionBody({ communityGalleryImageId: '/x' }))
    expect(version.body.error.code).toBe('NotOffered')
  })
})

describe('generalize', () => {
  it('is shown, and the VM starts no more', async () => {
    const { statuses } = (await plane.send('GET', `${vmPath('crypt')}/instanceView`)).body
    expect(statuses.map(({ code }: { code: string }) => code)).toContain('OSState/generalized')
    for (const verb of ['start', 'restart'] as const) {
      const { body } = await plane.send('POST', `${vmPath('crypt')}/${verb}`)
      expect(body.error.message).toBe(`Operation '${verb}' is not allowed on VM 'crypt' since the VM is generalized.`)
    }
  })

  it('is refused while the VM runs', async () => {
    await plane.run('POST', `${vmPath('sys')}/start`)
    expect((await plane.send('POST', `${vmPath('sys')}/generalize`)).body.error.code).toBe('OperationNotAllowed')
    await plane.run('POST', `${vmPath('sys')}/deallocate`)
  })
})

describe('image versions', () => {
  it('take the encryption type of their source, and no other', async () => {
    const shown = await settled(`${definition('general')}/versions/1.0.0`, versionBody(ofVm('crypt')))
    const [region] = shown.properties.publishingProfile.targetRegions
    expect(region.encryption.osDiskImage.securityProfile.confidentialVMEncryptionType).toBe('EncryptedWithPmk')
    const wrong = await put(
      `${definition('general')}/versions/1.0.1`,
      versionBody(ofVm('crypt'), encrypted('EncryptedVMGuestStateOnlyWithPmk')),
    )
    expect(wrong.body.error).toMatchObject({
      code: 'Conflict',
      message:
        "The SecurityProfile type of this image version 'EncryptedVMGuestStateOnlyWithPmk' must match the " +
        "SecurityProfile type of the source 'EncryptedWithPmk'.",
    })
    const status = await plane.send('GET', `${definition('general')}/versions/1.0.0?$expand=ReplicationStatus`)
    expect(status.body.properties.replicationStatus.aggregatedState).toBe('Completed')
  })

  it('stay in their home region when they carry guest state, unless the vTPM is not persisted', async () => {
    const away = encrypted('EncryptedVMGuestStateOnlyWithPmk', ['West Europe', 'North Europe'])
    const refused = await put(`${definition('general')}/versions/2.0.0`, versionBody(ofVm('plain'), away))
    expect(refused.body.error).toMatchObject({
      code: 'InvalidParameter',
      message:
        "Only the home region 'westeurope' can be specified as a target region for Images with the ConfidentialVM " +
        "feature unless the Confidential VM encryption type is set to 'NonPersistedTPM'.",
      target: 'galleryImageVersion.properties.publishingProfile.targetRegions',
    })
    const stateless = encrypted('NonPersistedTPM', ['West Europe', 'North Europe'])
    const shown = await settled(`${definition('general')}/versions/3.0.0`, versionBody(ofVm('tdx'), stateless))
    expect(shown.properties.publishingProfile.targetRegions).toMatchObject([
      { name: 'West Europe' },
      { name: 'North Europe' },
    ])
    const nowhere = encrypted('NonPersistedTPM', ['West Europe', 'Atlantis'])
    const unknown = await put(`${definition('general')}/versions/3.0.2`, versionBody(ofVm('tdx'), nowhere))
    expect(unknown.body.error.message).toBe("The region 'Atlantis' is not a region of this installation.")
    const homeless = await put(
      `${definition('general')}/versions/3.0.1`,
      versionBody(ofVm('tdx'), encrypted('NonPersistedTPM', ['North Europe'])),
    )
    expect(homeless.body.error.message).toContain("must contain the source region 'westeurope'")
  })

  it('with guest state need a definition for confidential VMs, and such a definition needs guest state', async () => {
    for (const [name, type] of [
      ['open', 'ConfidentialVmSupported'],
      ['trusted', 'TrustedLaunchSupported'],
    ] as const) {
      const refused = await put(`${definition(name)}/versions/1.0.0`, versionBody(ofVm('crypt')))
      expect(refused.body.error).toMatchObject({ code: 'Conflict' })
      expect(refused.body.error.message).toContain(`cannot be used in image with '${type}' security type`)
    }
    const disk = `${compute}/disks/uploaded`
    await plane.run('PUT', disk, {
      location,
      properties: {
        osType: 'Linux',
        creationData: {
          createOption: 'FromImage',
          imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm' },
        },
      },
    })
    const unfilled = `${compute}/disks/unfilled`
    await plane.run('PUT', unfilled, {
      location,
      properties: { osType: 'Linux', creationData: { createOption: 'Upload', uploadSizeBytes: 20_972_032 } },
    })
    const early = await put(`${definition('open')}/versions/4.0.0`, versionBody({ id: unfilled }))
    expect(early.body.error).toMatchObject({
      code: 'OperationNotAllowed',
      innererror: { found: 'diskState ReadyToUpload' },
    })
    const without = await put(`${definition('general')}/versions/4.0.0`, versionBody({ id: disk }))
    expect(without.body.error).toMatchObject({ code: 'Conflict' })
    await plane.run('PUT', `${compute}/images/managed`, {
      location,
      properties: {
        storageProfile: { osDisk: { osType: 'Linux', osState: 'Generalized', managedDisk: { id: disk } } },
      },
    })
    // Another request changed it in between: neither a change nor a deletion may overwrite that.
    const stale = { headers: { 'if-match': 'W/"other"' } }
    for (const [method, body] of [
      ['PATCH', { tags: {} }],
      ['DELETE', undefined],
    ] as const)
      expect((await plane.send(method, `${compute}/images/managed`, body, stale)).status).toBe(412)
    const managed = await put(
      `${definition('general')}/versions/4.0.0`,
      versionBody({ id: `${compute}/images/managed` }),
    )
    expect(managed.body.error).toMatchObject({
      code: 'InvalidParameter',
      target: 'galleryImageVersion.properties.storageProfile.osDiskImage.source.id',
    })
    const regions = [{ name: 'westeurope', excludeFromLatest: true }]
    await settled(`${definition('open')}/versions/1.0.0`, versionBody({ id: `${compute}/images/managed` }, regions))
  })

  it('want a VM in the state that the definition says', async () => {
    const general = await put(`${definition('general')}/versions/5.0.0`, versionBody(ofVm('sys')))
    expect(general.body.error.message).toContain('is not generalized')
    const special = await put(`${definition('special')}/versions/5.0.0`, versionBody(ofVm('crypt')))
    expect(special.body.error.message).toContain('is generalized')
    await settled(`${definition('special')}/versions/1.0.0`, versionBody(ofVm('sys')))
  })

  it('refuse names that are not three numbers, two sources, and another source later', async () => {
    const version = (name: string): string => `${definition('general')}/versions/${name}`
    for (const name of ['1.0', 'v1.0.0', '1.0.2147483648'])
      expect(codesOf((await put(version(name), versionBody(ofVm('crypt')))).body)).toContain('InvalidParameter')
    const ended = versionBody(ofVm('crypt'))
    ended['properties'].publishingProfile.endOfLifeDate = '2026-02-30'
    expect((await put(version('6.0.0'), ended)).body.error).toMatchObject({
      code: 'InvalidParameter',
      target: 'properties.publishingProfile.endOfLifeDate',
    })
    const two = await put(version('6.0.0'), versionBody({ ...ofVm('crypt'), id: vmPath('plain') }))
    expect(two.body.error.message).toBe('An image version has exactly one source.')
    expect((await put(version('1.0.0'), versionBody(ofVm('plain')))).body.error.code).toBe('PropertyChangeNotAllowed')
    expect((await put(version('1.0.0'), versionBody(ofVm('crypt')))).status).toBe(200)
    expect((await plane.send('PATCH', version('1.0.0'), { tags: { t: '1' } })).body.tags).toEqual({ t: '1' })
  })

  it('hold their definition, and it its gallery', async () => {
    expect((await plane.send('DELETE', gallery)).body.error.code).toBe('CannotDeleteResource')
    expect((await plane.send('DELETE', definition('special'))).body.error.code).toBe('CannotDeleteResource')
  })
})

describe('VMs of a gallery', () => {
  it('are made of a version, or of the latest of a definition that is not excluded', async () => {
    await settled(`${definition('general')}/versions/10.0.0`, versionBody(ofVm('crypt')))
    const excluded = versionBody(ofVm('crypt'))
    excluded.properties.publishingProfile.excludeFromLatest = true
    await settled(`${definition('general')}/versions/11.0.0`, excluded)
    await create('new1', (r) => void Object.assign(r, vmOf('new1', definition('general'))))
    const shown = (await plane.send('GET', vmPath('new1'))).body.properties
    expect(shown.storageProfile.imageReference).toMatchObject({ id: definition('general') })
    expect(shown.storageProfile.imageReference.exactVersion).toBe('10.0.0')
    await create('new2', (r) => void Object.assign(r, vmOf('new2', `${definition('general')}/versions/11.0.0`)))
  })

  it('have the encryption type that their image was captured with', async () => {
    const request = vmOf(
      'new3',
      `${definition('general')}/versions/1.0.0`,
      (r) => void (security(r).securityEncryptionType = 'VMGuestStateOnly'),
    )
    const { body } = await plane.send('PUT', vmPath('new3'), request)
    expect(body.error).toMatchObject({ code: 'BadRequest' })
    expect(body.error.message).toContain("securityEncryptionType 'DiskWithVMGuestState'")
  })

  it('of a specialised image bring account and name along, and take none', async () => {
    const image = `${definition('special')}/versions/1.0.0`
    const refused = await plane.send('PUT', vmPath('new3'), vmOf('new3', image))
    expect(refused.body.error.message).toBe("Parameter 'osProfile' is not allowed.")
    await create('new3', (r) => {
      Object.assign(r, vmOf('new3', image))
      delete r.properties.osProfile
    })
    expect((await plane.send('GET', vmPath('new3'))).body.properties.osProfile).toBeUndefined()
    expect((await plane.send('GET', `${vmPath('new3')}/instanceView`)).body.computerName).toBe('sys')
  })

  it('are refused where the image is not for them, not in their region, or not there', async () => {
    const code = async (image: string): Promise<string[]> =>
      codesOf((await plane.send('PUT', vmPath('none'), vmOf('none', image))).body)
    expect(await code(`${definition('general')}/versions/99.0.0`)).toContain('GalleryImageNotFound')
    expect(await code(`${compute}/images/managed`)).toContain('BadRequest')
    expect(await code(definition('trusted'))).toContain('GalleryImageNotFound')
    // Excluded from the latest in this region, and there is no other.
    expect(await code(definition('open'))).toContain('GalleryImageNotFound')
  })

  it('need a role at the version', async () => {
    const stranger = '0f2a9f3e-0000-4000-8000-00000000eeee'
    const image = `${definition('general')}/versions/1.0.0`
    const role = async (scope: string, id: string): Promise<void> => {
      const name = crypto.randomUUID()
      const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`
      const roleDefinitionId = `/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/${id}`
      await put(path, { properties: { roleDefinitionId, principalId: stranger, principalType: 'ServicePrincipal' } })
    }
    const other = group.replace('/rg1', '/rg2')
    await put(other, { location })
    await role(other, 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    await role(networkPath('networkInterfaces', 'new3VMNic'), 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    const path = vmPath('theirs').replace('/rg1', '/rg2')
    const request = vmOf('theirs', image)
    request.properties.networkProfile.networkInterfaces[0].id = networkPath('networkInterfaces', 'new3VMNic')
    const refused = await plane.send('PUT', path, request, { as: stranger })
    expect(refused.body.error.code).toBe('LinkedAuthorizationFailed')
    expect(refused.body.error.message).toContain('galleries/images/versions/read')
  })
})

describe('a group with a gallery', () => {
  it('is deleted with all that is kept for it', async () => {
    expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', gallery)).status).toBe(404)
  })
})
