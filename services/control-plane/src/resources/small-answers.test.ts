import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../testing/test-plane.ts'

/** Side requests of stock clients. */
let plane: TestPlane & { close(): Promise<void> }
const subscription = `/subscriptions/${subscriptionId}`
const stranger = '0f2a9f3e-0000-4000-8000-00000000dddd'
const get = async (path: string, as?: string): Promise<{ status: number; body: Loose }> =>
  await plane.send('GET', path, undefined, as === undefined ? {} : { as })

beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
  await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
})
afterAll(async () => await plane.close())

describe('permissions', () => {
  it('are the caller’s own at the scope, by each of their roles', async () => {
    for (const scope of [subscription, group, vmPath('vm1')]) {
      const { value } = (await get(`${scope}/providers/Microsoft.Authorization/permissions`)).body
      expect(value).toContainEqual({ actions: ['*'], notActions: [], dataActions: [], notDataActions: [] })
    }
  })

  it('are none of whoever has no role, who is not told either whether the scope is there', async () => {
    for (const name of ['vm1', 'nobody']) {
      const { status, body } = await get(`${vmPath(name)}/providers/Microsoft.Authorization/permissions`, stranger)
      expect([status, body]).toEqual([200, { value: [] }])
    }
    expect((await get(`${vmPath('nobody')}/providers/Microsoft.Authorization/permissions`)).status).toBe(404)
  })

  it('are taken away by no deny assignment', async () => {
    const list = `${group}/providers/Microsoft.Authorization/denyAssignments`
    expect((await get(list)).body).toEqual({ value: [] })
    expect((await get(list, stranger)).status).toBe(403)
    expect((await get(`${list}/a`)).body.error.code).toBe('DenyAssignmentNotFound')
  })
})

describe('features', () => {
  const features = `${subscription}/providers/Microsoft.Features/providers/Microsoft.Compute/features`
  it('that are here are registered from the start', async () => {
    const { status, body } = await plane.send('POST', `${features}/encryptionathost/register`)
    expect([status, body.name, body.properties.state]).toEqual([
      200,
      'Microsoft.Compute/EncryptionAtHost',
      'Registered',
    ])
    expect((await get(features.toLowerCase().replace('/subscriptions', '/subscriptions'))).body.value.length).toBe(3)
    expect((await get(`${subscription}/providers/Microsoft.Features/features`)).body.value.length).toBe(3)
    expect((await plane.send('POST', `${features}/EncryptionAtHost/unregister`)).status).toBe(409)
  })

  it('that are not are told as that', async () => {
    const { status, body } = await get(`${features}/TimeTravel`)
    expect([status, body.error.code]).toEqual([404, 'FeatureNotFound'])
  })
})

describe('an interface', () => {
  const nic = networkPath('networkInterfaces', 'vm1VMNic')
  it('tells the rules that hold at it', async () => {
    const { value } = (await plane.send('POST', `${nic}/effectiveNetworkSecurityGroups`)).body
    expect(value).toHaveLength(1)
    expect(value[0]).toMatchObject({
      networkSecurityGroup: { id: networkPath('networkSecurityGroups', 'vm1NSG') },
      association: { networkInterface: { id: nic } },
    })
    expect(value[0].effectiveSecurityRules).toContainEqual(
      expect.objectContaining({ name: 'defaultSecurityRules/DenyAllInBound', protocol: 'All', access: 'Deny' }),
    )
  })

  it('tells its routes', async () => {
    const { value } = (await plane.send('POST', `${nic}/effectiveRouteTable`)).body
    expect(value.map(({ addressPrefix, nextHopType }: Loose) => [...addressPrefix, nextHopType])).toEqual([
      ['10.0.0.0/16', 'VnetLocal'],
      ['0.0.0.0/0', 'Internet'],
    ])
  })

  it('tells nothing of what its reader may not read: of a security group, of its subnet’s, of its network (attack W46)', async () => {
    const reader = '0f2a9f3e-0000-4000-8000-00000000d004'
    const give = async (scope: string): Promise<void> => {
      // Network Contributor.
      const roleDefinitionId = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7`
      const properties = { roleDefinitionId, principalId: reader, principalType: 'ServicePrincipal' }
      const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
      expect((await plane.send('PUT', path, { properties })).status).toBe(201)
    }
    const subnet = `${networkPath('virtualNetworks', 'vnet')}/subnets/default`
    const nsg = { id: networkPath('networkSecurityGroups', 'vm1NSG') }
    const properties = { addressPrefix: '10.0.0.0/24', networkSecurityGroup: nsg }
    expect((await plane.send('PUT', subnet, { properties })).status).toBe(200)
    const ask = async (name: string): Promise<Loose> =>
      (await plane.send('POST', `${nic}/${name}`, undefined, { as: reader })).body.value
    await give(nic)
    expect(await ask('effectiveNetworkSecurityGroups')).toEqual([])
    expect((await ask('effectiveRouteTable')).map(({ nextHopType }: Loose) => nextHopType)).toEqual(['Internet'])
    await give(nsg.id)
    await give(networkPath('virtualNetworks', 'vnet'))
    expect((await ask('effectiveNetworkSecurityGroups')).map(({ association }: Loose) => association)).toEqual([
      { networkInterface: { id: nic } },
      { subnet: { id: subnet } },
    ])
    expect(await ask('effectiveRouteTable')).toHaveLength(2)
    await plane.send('PUT', subnet, { properties: { addressPrefix: '10.0.0.0/24' } })
  })

  it('is counted with the other resources of its region', async () => {
    const { value } = (await get(`${subscription}/providers/Microsoft.Network/locations/westeurope/usages`)).body
    const used = Object.fromEntries(
      value.map(({ name, currentValue, limit }: Loose) => [name.value, [currentValue, limit]]),
    )
    expect(used).toMatchObject({ NetworkInterfaces: [1, 2 ** 31 - 1], PublicIPAddresses: [1, 762] })
  })
})

describe('a VM', () => {
  it('has one metric, whether it runs, and names it to whoever asks for another', async () => {
    const metrics = `${vmPath('vm1')}/providers/Microsoft.Insights/metrics`
    const { value } = (await get(metrics)).body
    expect(value[0].timeseries[0].data[0]).toMatchObject({ average: 1 })
    const names = (await get(`${vmPath('vm1')}/providers/Microsoft.Insights/metricDefinitions`)).body.value
    expect(names.map(({ name }: Loose) => name.value)).toEqual(['VmAvailabilityMetric'])
    const other = await get(`${metrics}?metricnames=Percentage CPU`)
    expect([other.status, other.body.error.innererror.expected]).toEqual([400, 'VmAvailabilityMetric'])
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    expect((await get(metrics)).body.value[0].timeseries[0].data[0]).toMatchObject({ average: 0 })
  })

  it('has the health that its power says, to whoever may read it', async () => {
    const ofVm = `${vmPath('vm1')}/providers/Microsoft.ResourceHealth/availabilityStatuses`
    const { body } = await get(`${ofVm}/current`)
    expect([body.id, body.properties]).toEqual([
      `${ofVm}/current`,
      expect.objectContaining({
        availabilityState: 'Unavailable',
        title: 'Deallocated',
        reasonType: 'Customer Initiated',
      }),
    ])
    await plane.run('POST', `${vmPath('vm1')}/start`)
    for (const scope of [subscription, group, vmPath('vm1')]) {
      const { value } = (await get(`${scope}/providers/Microsoft.ResourceHealth/availabilityStatuses`)).body
      expect(
        value.map(({ id, properties }: Loose) => [id, properties.availabilityState]),
        scope,
      ).toEqual([[`${ofVm}/current`, 'Available']])
    }
    expect((await get(`${ofVm}/current`, stranger)).status).toBe(403)
    const elsewhere = `${subscription}/resourceGroups/none/providers/Microsoft.ResourceHealth/availabilityStatuses`
    expect((await get(elsewhere)).body.error.code).toBe('ResourceGroupNotFound')
  })

  it('is reapplied, and made where its creation failed', async () => {
    expect((await plane.run('POST', `${vmPath('vm1')}/reapply`)).operation.status).toBe('Succeeded')
    expect((await get(vmPath('vm1'))).body.properties.provisioningState).toBe('Succeeded')
  })
})

describe('a disk of an old version’s request', () => {
  it('is copied from the resource that sourceUri names, and a snapshot too', async () => {
    const source = `${group}/providers/Microsoft.Compute/disks/source`
    const empty = { creationData: { createOption: 'Empty' }, diskSizeGB: 4 }
    await plane.send('PUT', source, { location: 'westeurope', properties: empty })
    for (const type of ['disks', 'snapshots']) {
      const path = `${group}/providers/Microsoft.Compute/${type}/copy`
      const properties = { creationData: { createOption: 'Copy', sourceUri: source } }
      const { status, body } = await plane.send('PUT', `${path}?api-version=2017-03-30`, {
        location: 'westeurope',
        properties,
      })
      expect([status, body.error]).toEqual([expect.any(Number), undefined])
      expect(body.properties.creationData.sourceResourceId).toBe(source)
    }
  })
})
