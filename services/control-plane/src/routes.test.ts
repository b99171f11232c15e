import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { roles } from './arm/access.ts'
import { signedIn } from './arm/router.ts'
import type { Deployments } from './templates/deployments.ts'
import type { Plane } from './types/plane.ts'
import { resourceTypes } from './resource-types.ts'
import { allRoutes } from './routes.ts'
import { openSqlitePlane } from './testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  ownerId,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from './testing/test-plane.ts'

const stranger = '0f2a9f3e-0000-4000-8000-00000000dddd'
const reader = '0f2a9f3e-0000-4000-8000-00000000eeee'
const tenant = '0f2a9f3e-0000-4000-8000-000000002222'
const contributor = '0f2a9f3e-0000-4000-8000-00000000ffff'

const routes = allRoutes({ subscriptionId, tenantId, types: resourceTypes } as Plane, {} as Deployments)
const pathOf = (path: string): string =>
  path.replaceAll(
    /\{(\w+)\}/g,
    (_, name: string) => ({ subscription: subscriptionId, group: 'rg1', location: 'westeurope' })[name] ?? 'x',
  )

let plane: TestPlane & { close(): Promise<void> }
const assign = async (
  principalId: string,
  role: string,
  scope: string,
  name: string,
  as = ownerId,
): Promise<number> => {
  const roleDefinitionId =
    `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/` +
    `${roles.find((r) => r.name === role)?.id}`
  const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`
  return (await plane.send('PUT', path, { properties: { principalId, roleDefinitionId } }, { as })).status
}
const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`

beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
  await assign(reader, 'Reader', `/subscriptions/${subscriptionId}`, id(1))
  await assign(contributor, 'Contributor', group, id(2))
})
afterAll(async () => await plane.close())

describe('every route', () => {
  it.each(routes.map((route) => [route.method, route.path] as const))(
    '%s %s answers 401 without a token',
    async (method, path) => {
      const reply = await plane.send(method, pathOf(path), undefined, { as: null })
      expect(reply.status).toBe(401)
      expect(reply.headers['www-authenticate']).toMatch(
        /^Bearer authorization_uri="https:\/\/login\.strongroom\.internal\//,
      )
    },
  )

  it.each(routes.filter((route) => route.action !== signedIn).map((route) => [route.method, route.path] as const))(
    '%s %s answers 403 to whoever has no role',
    async (method, path) => {
      const reply = await plane.send(method, pathOf(path), method === 'GET' || method === 'HEAD' ? undefined : {}, {
        as: stranger,
      })
      expect(reply.status).toBe(403)
      if (method !== 'HEAD') expect(reply.body.error.code).toBe('AuthorizationFailed')
    },
  )

  it.each(
    routes
      .filter((route) => route.action !== signedIn && !String(route.action).endsWith('/read'))
      .map((route) => [route.method, route.path] as const),
  )('%s %s answers 403 to a reader', async (method, path) => {
    expect((await plane.send(method, pathOf(path), {}, { as: reader })).status).toBe(403)
  })
})

describe('roles', () => {
  it('show the subscription to whoever has one in it, and to nobody else', async () => {
    const seen = async (as: string): Promise<number> =>
      (await plane.send('GET', '/subscriptions', undefined, { as })).body.value.length as number
    expect([await seen(ownerId), await seen(reader), await seen(contributor), await seen(stranger)]).toEqual([
      1, 1, 1, 0,
    ])
  })

  it('reach down from their scope and never beside it', async () => {
    const send = async (path: string): Promise<number> =>
      (await plane.send('PUT', path, { location: 'westeurope' }, { as: contributor })).status
    expect(await send(group)).toBe(200)
    expect(await send(group.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions'))).toBe(200)
    expect(await send(`${group}1`)).toBe(403)
    expect(await send(`/subscriptions/${subscriptionId}/resourceGroups/other`)).toBe(403)
  })

  it('of a group let their holder make a VM in it and follow that, and hide it from others', async () => {
    const body = vmRequest('vm1')
    const reply = await plane.send('PUT', vmPath('vm1'), body, { as: contributor })
    expect(reply.status).toBe(201)
    const url = new URL(reply.headers['azure-asyncoperation']!)
    const path = url.pathname + url.search
    expect((await plane.send('GET', path, undefined, { as: contributor })).status).toBe(200)
    expect((await plane.send('GET', path, undefined, { as: stranger })).body.error.code).toBe('OperationNotFound')
    await plane.follow(reply)
    expect((await plane.run('DELETE', vmPath('vm1'))).operation.status).toBe('Succeeded')
    await makeNetwork(plane, 'vm1')
  })

  it('of a group do not reach the interfaces, subnets, addresses and images of another', async () => {
    const other = `/subscriptions/${subscriptionId}/resourceGroups/mine`
    await plane.send('PUT', other, { location: 'westeurope' })
    await assign(contributor, 'Contributor', other, id(6))
    await assign(tenant, 'Contributor', other, id(7))
    const nic = await plane.send('GET', networkPath('networkInterfaces', 'vm1VMNic'))
    const write = async (path: string, body: Loose): Promise<string | undefined> =>
      (await plane.send('PUT', `${other}/providers/${path}`, body, { as: tenant })).body.error?.code as
        | string
        | undefined
    expect(await write('Microsoft.Compute/virtualMachines/vm9', vmRequest('vm1'))).toBe('LinkedAuthorizationFailed')
    expect(await write('Microsoft.Network/networkInterfaces/n', nic.body)).toBe('LinkedAuthorizationFailed')

    await plane.send('POST', `/subscriptions/${subscriptionId}/providers/Strongroom.Machine/images/import`, {
      path: '/tmp/disk.raw',
      name: 'private',
    })
    const body = vmRequest('vm1')
    body.properties.storageProfile.imageReference = {
      publisher: 'Strongroom',
      offer: 'imported',
      sku: 'private',
      version: 'latest',
    }
    expect((await plane.send('PUT', vmPath('vm1'), body, { as: contributor })).body.error.code).toBe(
      'LinkedAuthorizationFailed',
    )
  })

  it('of a contributor to the whole subscription read no file of the host’s machine (attack W25)', async () => {
    const whole = `/subscriptions/${subscriptionId}`
    expect(await assign(stranger, 'Contributor', whole, id(8))).toBeLessThan(300)
    const file = { path: '/tmp/disk.raw', name: 'theirs' }
    const imported = await plane.send('POST', `${whole}/providers/Strongroom.Machine/images/import`, file, {
      as: stranger,
    })
    expect([imported.status, imported.body.error.code]).toEqual([403, 'AuthorizationFailed'])
    const update = await plane.send(
      'POST',
      `${whole}/providers/Strongroom.Machine/images/theirs/update`,
      { path: '/tmp/linux.efi' },
      { as: stranger },
    )
    expect([update.status, update.body.error.code]).toEqual([403, 'AuthorizationFailed'])
    const disk = {
      location: 'westeurope',
      properties: { creationData: { createOption: 'Import', sourceUri: 'file:///tmp/disk.raw' } },
    }
    const made = await plane.send('PUT', `${group}/providers/Microsoft.Compute/disks/theirs`, disk, { as: stranger })
    expect([made.status, made.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed'])
  })

  it('of a contributor give no roles to others', async () => {
    expect(await assign(stranger, 'Owner', group, id(3), contributor)).toBe(403)
  })

  it('exist once for a principal, role and scope', async () => {
    expect(await assign(reader, 'Reader', `/subscriptions/${subscriptionId}`, id(1))).toBe(200)
    expect(await assign(reader, 'Reader', `/subscriptions/${subscriptionId}`, id(4))).toBe(409)
    expect(await assign(stranger, 'Reader', `/subscriptions/${subscriptionId}`, id(1))).toBe(409)
  })

  it('end when they are deleted', async () => {
    const principal = '0f2a9f3e-0000-4000-8000-000000001111'
    await assign(principal, 'Reader', group, id(5))
    expect((await plane.send('GET', group, undefined, { as: principal })).status).toBe(200)
    await plane.send('DELETE', `${group}/providers/Microsoft.Authorization/roleAssignments/${id(5)}`)
    expect((await plane.send('GET', group, undefined, { as: principal })).status).toBe(403)
  })

  it('leave the subscription its last owner', async () => {
    const scope = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleAssignments`
    const { body } = await plane.send('GET', scope)
    const owner = body.value.find(
      (row: { properties: { principalId: string } }) => row.properties.principalId === ownerId,
    )
    expect((await plane.send('DELETE', owner.id)).body.error.code).toBe('LastOwnerCannotBeRemoved')
  })

  it('are found by the name that the stock client asks for', async () => {
    const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'Contributor'`
    const { body } = await plane.send('GET', path)
    expect(body.value.map((role: { name: string }) => role.name)).toEqual(['b24988ac-6180-42a0-ab88-20f7382dd24c'])
  })
})

describe('requests', () => {
  it('need an api-version, in any case and encoded in any way', async () => {
    const at = async (path: string): Promise<TestPlaneAnswer> => {
      const { app } = plane.service.hosts[0]!
      const reply = await app.inject({
        url: path,
        headers: { host: 'management.strongroom.internal', authorization: `Bearer ${ownerId}` },
      })
      return [reply.statusCode, (reply.json() as { error?: { code: string } }).error?.code]
    }
    expect(await at('/subscriptions')).toEqual([400, 'MissingApiVersionParameter'])
    expect(await at('/subscriptions?api-version=today')).toEqual([400, 'InvalidApiVersionParameter'])
    expect(await at('/subscriptions/?api%2Dversion=2022-12-01')).toEqual([200, undefined])
    expect(await at('//SUBSCRIPTIONS?API-Version=2015-06-15')).toEqual([200, undefined])
  })

  it('of another subscription, an unknown type or a wrong method are told apart', async () => {
    expect((await plane.send('GET', '/subscriptions/none/resourceGroups')).body.error.code).toBe('SubscriptionNotFound')
    expect((await plane.send('GET', `${group}/providers/Microsoft.Web/sites/a`)).body.error.code).toBe(
      'InvalidResourceType',
    )
    expect((await plane.send('POST', group)).status).toBe(405)
    expect(
      (await plane.send('GET', `${group}none/providers/Microsoft.Compute/virtualMachines/a`)).body.error.code,
    ).toBe('ResourceGroupNotFound')
    expect(
      (await plane.send('GET', `${group}/providers/Microsoft.Compute/virtualMachines/a`)).body.error,
    ).toMatchObject({
      code: 'ResourceNotFound',
      message: expect.stringMatching(
        /^The Resource 'Microsoft\.Compute\/virtualMachines\/a' under resource group 'rg1' was not found\./,
      ),
    })
  })

  it('cannot smuggle another path in by encoding', async () => {
    const path = `${group}/providers/Microsoft.Compute/virtualMachines/..%2f..%2fsecrets`
    expect((await plane.send('GET', path)).body.error.code).toBe('InvalidRequestUri')
    expect((await plane.send('GET', `${group}/%2e%2e/other`)).status).toBeGreaterThanOrEqual(400)
  })

  it('that change or are refused are on record with who asked', async () => {
    const { body } = await plane.send(
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Insights/eventtypes/management/values`,
    )
    const events = body.value as { caller: string; operationName: { value: string }; subStatus: { value: string } }[]
    const has = (caller: string, action: string, status: string): boolean =>
      events.some(
        (event) => event.caller === caller && event.operationName.value === action && event.subStatus.value === status,
      )
    expect(has(ownerId, 'Microsoft.Authorization/roleAssignments/write', '409')).toBe(true)
    expect(has(contributor, 'Microsoft.Authorization/roleAssignments/write', '403')).toBe(true)
  })

  it('before sign-in get the metadata that `az cloud register` reads', async () => {
    const reply = await plane.send('GET', '/metadata/endpoints', undefined, { as: null })
    expect(reply.body).toMatchObject({
      name: 'Strongroom',
      resourceManager: 'https://management.strongroom.internal',
      authentication: { loginEndpoint: 'https://login.strongroom.internal', tenant: tenantId },
      suffixes: { keyVaultDns: 'vault.strongroom.internal' },
    })
    expect(reply.body.authentication.audiences[0]).toBe('https://management.azure.com/')
  })
})

type TestPlaneAnswer = [status: number, code: string | undefined]
