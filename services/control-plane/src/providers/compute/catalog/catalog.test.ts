import { vCPUsOf } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { referenceImage } from '../../../testing/fake-wire.ts'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../../../testing/test-plane.ts'
import { allSizes } from '../size/sizes.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
})
afterAll(async () => await plane.close())

const compute = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute`
const images = `/subscriptions/${subscriptionId}/providers/Strongroom.Machine/images`

describe('a size', () => {
  it('has as many processors as its name says, which is what the trust report goes by', () => {
    expect(allSizes().filter(({ name, vCPUs }) => vCPUsOf(name) !== vCPUs)).toEqual([])
    expect(vCPUsOf('Standard_E8-4s_v5')).toBe(4)
    for (const name of ['', 'Standard_', 'Standard_DC_v5', 'DC2as_v5', 'Standard_DC2as_v5/../x', 'Standard_DC2as v5'])
      expect(vCPUsOf(name), name).toBeUndefined()
  })
})

describe('the catalogue', () => {
  it('answers Azure’s alias of an image that is not here with the images that are', async () => {
    const reply = await plane.service.hosts[0]!.app.inject({ url: '/aliases.json' })
    const { Linux } = reply.json<Loose>().outputs.aliases.value
    expect(Object.keys(Linux)).toEqual(expect.arrayContaining(['Debian13Cvm', 'Ubuntu2204', 'Debian12']))
    for (const alias of ['Ubuntu2204', 'Debian12']) {
      const { publisher, offer, sku } = Linux[alias]
      const versions = `${compute}/locations/westeurope/publishers/${publisher}/artifacttypes/vmimage/offers/${offer}/skus/${sku}/versions`
      const { status, body } = await plane.send('GET', `${versions}?$top=1&$orderby=name desc`)
      expect([status, body.error.code]).toEqual([404, 'NotFound'])
      expect(body.error.message).toContain('Strongroom:debian-13:cvm:latest')
    }
  })

  it('lists all 133 sizes with text capabilities and says where they are not offered', async () => {
    const { body } = await plane.send('GET', `${compute}/skus?$filter=location eq 'West Europe'`)
    const confidential = body.value.filter((entry: { capabilities: { name: string }[] }) =>
      entry.capabilities.some(({ name }) => name === 'ConfidentialComputingType'),
    )
    expect([confidential.length, body.value.length]).toEqual([133, 165])
    const sku = (name: string): Loose => body.value.find((entry: { name: string }) => entry.name === name)
    const capability = (name: string, key: string): string =>
      sku(name).capabilities.find((entry: { name: string }) => entry.name === key)?.value as string
    expect(capability('Standard_DC2as_v5', 'ConfidentialComputingType')).toBe('SNP')
    expect(capability('Standard_DC2es_v5', 'ConfidentialComputingType')).toBe('TDX')
    expect(capability('Standard_EC2as_v5', 'MemoryGB')).toBe('16')
    expect(sku('Standard_DC2as_v5').restrictions).toEqual([])
    expect(sku('Standard_DC2as_v6').restrictions[0]).toMatchObject({
      type: 'Location',
      reasonCode: 'NotAvailableForSubscription',
      values: ['westeurope'],
    })
    for (const entry of body.value) for (const { value } of entry.capabilities) expect(typeof value).toBe('string')
  })

  it('lists the sizes of a region, and refuses an unknown region', async () => {
    const { body } = await plane.send('GET', `${compute}/locations/WestEurope/vmSizes`)
    expect(body.value.find((size: { name: string }) => size.name === 'Standard_DC2as_v5')).toMatchObject({
      numberOfCores: 2,
      memoryInMB: 8192,
    })
    expect(body.value.some((size: { name: string }) => size.name.endsWith('_v6'))).toBe(false)
    expect((await plane.send('GET', `${compute}/locations/moon/usages`)).body.error.code).toBe(
      'NoRegisteredProviderFound',
    )
  })

  it('answers the market place’s questions for the reference image with bare lists', async () => {
    const path = `${compute}/locations/westeurope/publishers/strongroom/artifacttypes/vmimage/offers/debian-13/skus/cvm/versions`
    const versions = await plane.send('GET', `${path}?$top=1&$orderby=name%20desc`)
    expect(versions.body.map((entry: { name: string }) => entry.name)).toEqual(['13.1.0'])
    const { body } = await plane.send('GET', `${path}/13.1.0`)
    expect(body.properties).toMatchObject({
      hyperVGeneration: 'V2',
      osDiskImage: { operatingSystem: 'Linux' },
      features: [{ name: 'SecurityType', value: 'ConfidentialVmSupported' }],
    })
    expect((await plane.send('GET', `${path}/9`)).status).toBe(404)
  })

  it('names the providers with their types, for clients that look api-versions up', async () => {
    const { body } = await plane.send('GET', `/subscriptions/${subscriptionId}/providers/microsoft.network`)
    expect(body.resourceTypes.map((entry: { resourceType: string }) => entry.resourceType)).toContain(
      'virtualNetworks/subnets',
    )
    expect((await plane.send('GET', `/subscriptions/${subscriptionId}/providers/Microsoft.Web`)).body.error.code).toBe(
      'InvalidResourceNamespace',
    )
    expect((await plane.send('GET', `/subscriptions/${subscriptionId}/locations`)).body.value[0].name).toBe(
      'westeurope',
    )
    expect((await plane.send('GET', '/tenants')).body.value).toHaveLength(1)
  })

  it('does not know the operations of others', async () => {
    expect((await plane.send('GET', `${compute}/locations/westeurope/operations/none`)).body.error.code).toBe(
      'OperationNotFound',
    )
  })
})

describe('images', () => {
  it('are listed, built and imported by the host', async () => {
    expect((await plane.send('GET', images)).body.value).toHaveLength(1)
    expect((await plane.send('GET', `${images}/build`)).body.state).toBe('Absent')
    const build = await plane.send('POST', `${images}/build`)
    expect([build.status, build.body.state]).toEqual([202, 'Running'])
    const imported = await plane.send('POST', `${images}/import`, { path: '/tmp/disk.raw', name: 'mine' })
    expect([imported.status, imported.body.source]).toEqual([200, 'import'])
  })

  it('are not imported from a path that depends on the server’s directory, or under a name that is a path', async () => {
    expect((await plane.send('POST', `${images}/import`, { path: 'disk.raw', name: 'mine' })).body.error.code).toBe(
      'InvalidParameter',
    )
    expect(
      (await plane.send('POST', `${images}/import`, { path: '/tmp/disk.raw', name: '../mine' })).body.error.code,
    ).toBe('InvalidParameter')
  })

  it.each([
    ['its id', { id: `${images}/mine` }],
    ['its URN', { publisher: 'Strongroom', offer: 'imported', sku: 'mine', version: 'latest' }],
  ])('that were imported make VMs by %s', async (_way, imageReference) => {
    const body = vmRequest('vm1')
    body.properties.storageProfile.imageReference = imageReference
    const { operation } = await plane.run('PUT', vmPath('vm1'), body)
    expect(operation.status).toBe('Succeeded')
    expect([...plane.wire.instances.values()][0]?.spec.image).toBe('mine')
    await plane.run('DELETE', vmPath('vm1'))
    await makeNetwork(plane, 'vm1')
  })

  it('of the newest build are what `latest` means', async () => {
    plane.wire.images = [
      referenceImage,
      { ...referenceImage, id: 'newer', version: '13.2.0', builtAt: '2026-02-01T00:00:00.000Z' },
    ]
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    expect([...plane.wire.instances.values()][0]?.spec.image).toBe('newer')
    const { body } = await plane.send('GET', vmPath('vm1'))
    expect(body.properties.storageProfile.imageReference).toMatchObject({ version: 'latest', exactVersion: '13.2.0' })
  })
})

describe('the inventory', () => {
  const find = async (filter: string): Promise<string[]> =>
    (
      await plane.send('GET', `/subscriptions/${subscriptionId}/resources?$filter=${encodeURIComponent(filter)}`)
    ).body.value.map((entry: { type: string }) => entry.type) as string[]

  it('finds resources by type, name and group', async () => {
    expect(await find("resourceType eq 'Microsoft.Compute/virtualMachines' and name eq 'VM1'")).toEqual([
      'Microsoft.Compute/virtualMachines',
    ])
    expect(await find("resourceGroup eq 'none'")).toEqual([])
    expect((await plane.send('GET', `${group}/resources`)).body.value.length).toBeGreaterThan(4)
  })

  it('refuses a filter that it does not understand, since ignoring it would show too much', async () => {
    const reply = await plane.send('GET', `/subscriptions/${subscriptionId}/resources?$filter=plan%20eq%20'a'`)
    expect(reply.body.error.code).toBe('InvalidFilterInQueryString')
  })
})

describe('an instance view', () => {
  it('carries the cost of encrypting the OS disk twice, which is allowed as on Azure, and of once none (attack D13)', async () => {
    const notices = async (name: string, once: boolean): Promise<string[]> => {
      await makeNetwork(plane, name)
      const body = vmRequest(name)
      body.properties.securityProfile.encryptionAtHost = true
      if (once)
        body.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = 'VMGuestStateOnly'
      const { operation } = await plane.run('PUT', vmPath(name), body)
      expect(operation.status).toBe('Succeeded')
      const view = await plane.send('GET', `${vmPath(name)}/instanceView`)
      return view.body.statuses
        .filter(({ code }: { code: string }) => code.startsWith('Notice/'))
        .map(({ message }: { message: string }) => message)
    }
    expect(await notices('twice', false)).toEqual([
      'The OS disk is encrypted twice (encryptionAtHost and DiskWithVMGuestState): this may cost disk performance.',
    ])
    expect(await notices('once', true)).toEqual([])
  })

  it('carries the host’s notices', async () => {
    const status = [...plane.wire.instances.values()][0]!
    status.notices = ['The VM has 2 GiB of memory: the host bears no more.']
    await plane.send('POST', `${vmPath('vm1')}/deallocate`)
    const { body } = await plane.send('GET', `${vmPath('vm1')}/instanceView`)
    expect(body.notices).toEqual(['The VM has 2 GiB of memory: the host bears no more.'])
    expect(body.statuses.at(-1)).toMatchObject({ code: 'Notice/1', level: 'Info', message: body.notices[0] })
  })

  it('says so when the host does not answer', async () => {
    plane.wire.away = /^GET \/instances/
    const { status, body } = await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    plane.wire.away = undefined
    expect([status, body.properties.instanceView.statuses[1].code]).toEqual([200, 'PowerState/unknown'])
  })
})
