import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  address,
  deploymentBody as body,
  deploymentPath as path,
  network,
  schema,
  template,
} from '../testing/templates.ts'
import {
  group,
  makeNetwork,
  networkPath,
  ownerId,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterEach(async () => await plane.close())

async function deploy(t: Loose, more: object = {}, name = 'd1'): Promise<Loose> {
  const { operation } = await plane.run('PUT', path(name), body(t, more))
  return { operation, ...(await plane.send('GET', path(name))).body.properties }
}
const names = async (): Promise<string[]> =>
  ((await plane.send('GET', `${group}/resources`)).body.value as { name: string }[]).map(({ name }) => name).toSorted()

describe('a deployment', () => {
  it('makes resources with parameters, variables, loops, conditions and outputs', async () => {
    const made = await deploy(
      template(
        [
          address("[concat(parameters('prefix'), copyIndex(1))]", {
            copy: { name: 'ips', count: "[length(variables('zones'))]" },
          }),
          address('left-out', { condition: "[equals(parameters('prefix'), 'other')]" }),
        ],
        {
          parameters: { prefix: { type: 'string', maxLength: 4 }, more: { type: 'object', defaultValue: { a: [1] } } },
          variables: {
            zones: ['1', '2'],
            copy: [{ name: 'squares', count: 3, input: "[mul(copyIndex('squares'), copyIndex('squares'))]" }],
          },
          outputs: {
            first: { type: 'string', value: "[reference('ip1').ipAddress]" },
            full: {
              type: 'string',
              value:
                "[reference(resourceId('Microsoft.Network/publicIPAddresses', 'ip2'), '2023-09-01', 'Full').location]",
            },
            squares: { type: 'array', value: "[variables('squares')]" },
            a: { type: 'int', value: "[parameters('more').a[0]]" },
          },
        },
      ),
      { parameters: { prefix: { value: 'ip' } } },
    )
    expect(made.operation.status).toBe('Succeeded')
    expect(await names()).toEqual(['ip1', 'ip2'])
    expect(made.outputs).toMatchObject({
      squares: { value: [0, 1, 4] },
      full: { value: 'westeurope' },
      a: { value: 1 },
    })
    expect(made.outputs.first.value).toMatch(/^\d+\.\d+/)
  })

  it('waits for what a resource refers to, said or not', async () => {
    const nic = {
      type: 'Microsoft.Network/networkInterfaces',
      apiVersion: '2023-09-01',
      name: 'nic',
      location: 'westeurope',
      properties: {
        ipConfigurations: [
          {
            name: 'ip',
            properties: {
              subnet: { id: "[reference('net').subnets[0].id]" },
              publicIPAddress: { id: "[resourceId('Microsoft.Network/publicIpAddresses', 'ip')]" },
            },
          },
        ],
      },
      dependsOn: ['Microsoft.Network/publicIpAddresses/ip'],
    }
    expect((await deploy(template([nic, network('net', '10.1.0.0/24'), address('ip')]))).operation.status).toBe(
      'Succeeded',
    )
  })

  it('makes a VM and waits until it is there', async () => {
    await makeNetwork(plane, 'vm1')
    const vm = { ...vmRequest('vm1'), type: 'Microsoft.Compute/virtualMachines', apiVersion: '2024-11-01', name: 'vm1' }
    expect((await deploy(template([vm]))).provisioningState).toBe('Succeeded')
    expect((await plane.send('GET', vmPath('vm1'))).body.properties.provisioningState).toBe('Succeeded')
  })

  it('names every resource that failed, and keeps what was made', async () => {
    const made = await deploy(template([network('bad', '10.1.0.0/33'), address('ip')]))
    expect(made.operation).toMatchObject({ status: 'Failed', error: { code: 'DeploymentFailed' } })
    expect(made.error.details).toMatchObject([{ code: 'InvalidCIDRNotation' }])
    expect(await names()).toEqual(['ip'])
    const operations = (await plane.send('GET', `${path()}/operations`)).body.value as Loose[]
    expect(operations.map((each) => String(each.properties.provisioningState)).toSorted()).toEqual([
      'Failed',
      'Succeeded',
    ])
  })

  it('is found in the activity log with everything it did, by its caller’s correlation id', async () => {
    const reply = await plane.send('PUT', path(), body(template([address('ip')])), {
      headers: { 'x-ms-correlation-request-id': 'run-7' },
    })
    await plane.follow(reply)
    const log = `/subscriptions/${subscriptionId}/providers/Microsoft.Insights/eventtypes/management/values`
    const found = await plane.send('GET', `${log}?$filter=correlationId%20eq%20'run-7'`)
    expect(found.body.value.map((each: Loose) => each.operationName.value).toSorted()).toEqual([
      'Microsoft.Network/publicIPAddresses/write',
      'Microsoft.Resources/deployments/write',
    ])
  })

  it('again changes nothing', async () => {
    const t = template([address('ip')])
    await deploy(t)
    const before = (await plane.send('GET', networkPath('publicIPAddresses', 'ip'))).body.properties.ipAddress
    await deploy(t)
    expect((await plane.send('GET', networkPath('publicIPAddresses', 'ip'))).body.properties.ipAddress).toBe(before)
  })

  it('in complete mode deletes what the template has not, and only that', async () => {
    await deploy(template([address('old'), address('kept')]))
    await deploy(template([address('kept'), address('new')]), { mode: 'Complete' }, 'd2')
    expect(await names()).toEqual(['kept', 'new'])
  })

  it('runs nested templates, with the inner scope or the outer one, and hands their outputs on', async () => {
    const nested = (name: string, scope: string, value: string, extra: object = {}): Loose => ({
      type: 'Microsoft.Resources/deployments',
      apiVersion: '2022-09-01',
      name,
      properties: {
        mode: 'Incremental',
        expressionEvaluationOptions: { scope },
        ...extra,
        template: template([address(value)], {
          ...(scope === 'inner' && { parameters: { x: { type: 'string' } } }),
          outputs: { made: { type: 'string', value } },
        }),
      },
    })
    const made = await deploy(
      template(
        [
          nested('inner', 'inner', "[parameters('x')]", {
            parameters: { x: { value: "[concat(parameters('x'), '-inner')]" } },
          }),
          nested('outer', 'outer', "[concat(parameters('x'), '-outer')]"),
        ],
        {
          parameters: { x: { type: 'string', defaultValue: 'ip' } },
          outputs: { of: { type: 'string', value: "[reference('inner').outputs.made.value]" } },
        },
      ),
    )
    expect(made.operation.error).toBeUndefined()
    expect(await names()).toEqual(['ip-inner', 'ip-outer'])
    expect(made.outputs.of.value).toBe('ip-inner')
    expect((await plane.send('GET', path('inner'))).body.properties.provisioningState).toBe('Succeeded')
  })

  it("takes Bicep's symbolic names", async () => {
    const t = template(
      { net: network('n', '10.1.0.0/24'), ip: { ...address('ip'), dependsOn: ['net'] } },
      {
        languageVersion: '2.0',
        outputs: { prefix: { type: 'string', value: "[reference('net').addressSpace.addressPrefixes[0]]" } },
      },
    )
    expect((await deploy(t, {}, 'd3')).outputs.prefix.value).toBe('10.1.0.0/24')
  })

  it('uses functions of its own', async () => {
    const made = await deploy(
      template([], {
        functions: [
          {
            namespace: 'my',
            members: {
              double: {
                parameters: [{ name: 'n', type: 'int' }],
                output: { type: 'int', value: "[mul(parameters('n'), 2)]" },
              },
            },
          },
        ],
        outputs: { four: { type: 'int', value: '[my.double(2)]' } },
      }),
    )
    expect(made.outputs.four.value).toBe(4)
  })

  it('never keeps or shows a secure parameter, in whatever error', async () => {
    const secret = 'correct horse battery'
    const t = template([address('ip', { location: "[parameters('s')]" })], {
      parameters: { s: { type: 'secureString' } },
      outputs: { again: { type: 'secureString', value: "[parameters('s')]" } },
    })
    const made = await deploy(t, { parameters: { s: { value: secret } } })
    expect(made.error.details[0].code).toBe('LocationNotAvailableForResourceType')
    const shown = [
      made,
      (await plane.send('GET', `${path()}/operations`)).body,
      (await plane.send('POST', `${path()}/exportTemplate`)).body,
    ]
    expect(JSON.stringify(shown)).not.toContain(secret)
    expect(made.parameters.s).toEqual({ type: 'secureString' })
    expect((await plane.stored()).includes(secret)).toBe(false)
  })

  it('never keeps or shows one of a template around it either (attack W24)', async () => {
    const secret = 'correct horse battery'
    const within = (t: Loose, name: string): Loose =>
      template([
        {
          type: 'Microsoft.Resources/deployments',
          apiVersion: '2022-09-01',
          name,
          properties: { mode: 'Incremental', template: t },
        },
      ])
    const inner = template([address('ip', { location: "[parameters('s')]" })])
    const outer = { ...within(within(inner, 'third'), 'second'), parameters: { s: { type: 'secureString' } } }
    const made = await deploy(outer, { parameters: { s: { value: secret } } })
    expect(JSON.stringify(made.error)).toContain('LocationNotAvailableForResourceType')
    for (const name of ['second', 'third']) {
      const shown = await plane.send('GET', path(name))
      const operations = await plane.send('GET', `${path(name)}/operations`)
      expect([shown.body.properties.provisioningState, operations.body.value.length]).toEqual(['Failed', 1])
      expect(JSON.stringify([shown.body, operations.body])).not.toContain(secret)
    }
    expect(JSON.stringify(made)).not.toContain(secret)
    expect((await plane.stored()).includes(secret)).toBe(false)
  })

  it('is one of its name at a time, and can be cancelled', async () => {
    await makeNetwork(plane, 'vm1')
    const many = Array.from({ length: 200 }, (_, index) =>
      address(`ip${index}`, index > 0 ? { dependsOn: [`ip${index - 1}`] } : {}),
    )
    const reply = await plane.send('PUT', path(), body(template(many)))
    expect((await plane.send('PUT', path(), body(template([])))).body.error.code).toBe('DeploymentActive')
    await sleep(20)
    expect((await plane.send('POST', `${path()}/cancel`)).status).toBe(204)
    expect((await plane.follow(reply)).status).toBe('Canceled')
    expect((await plane.send('GET', path())).body.properties.provisioningState).toBe('Canceled')
    expect((await plane.send('POST', `${path()}/cancel`)).body.error.code).toBe('DeploymentCannotBeCancelled')
  })

  it('does as much as its caller may, and no more', async () => {
    const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'
    const role = (
      await plane.send(
        'GET',
        `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/` +
          "roleDefinitions?$filter=roleName%20eq%20'Network%20Contributor'",
      )
    ).body.value[0]
    await plane.send(
      'PUT',
      `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001`,
      { properties: { principalId: robot, roleDefinitionId: role.id } },
    )
    const send = async (t: Loose): Promise<TestReply> => await plane.send('PUT', path(), body(t), { as: robot })
    expect((await send(template([address('ip')]))).status).toBe(201)
    const disk = {
      type: 'Microsoft.Compute/disks',
      apiVersion: '2023-04-02',
      name: 'd',
      location: 'westeurope',
      properties: {},
    }
    const reply = await plane.send('PUT', path('d2'), body(template([disk])), { as: robot })
    expect([reply.status, reply.body.error.code]).toEqual([403, 'AuthorizationFailed'])
    expect(ownerId).not.toBe(robot)
  })
})

describe('what-if', () => {
  it('says what would be made, changed, left and deleted, and does none of it', async () => {
    await deploy(
      template([address('same', { tags: { a: 'b' } }), address('changed', { tags: { a: 'b' } }), address('other')]),
    )
    const t = template([
      address('same', { tags: { a: 'b' } }),
      address('changed', { tags: { a: 'c' } }),
      address('new'),
    ])
    const changes = async (mode: string): Promise<Record<string, string>> => {
      const reply = await plane.send('POST', `${path('w')}/whatIf`, body(t, { mode }))
      return Object.fromEntries(
        reply.body.properties.changes.map((each: Loose) => [each.resourceId.split('/').at(-1), each.changeType]),
      )
    }
    expect(await changes('Incremental')).toEqual({
      same: 'NoChange',
      changed: 'Modify',
      new: 'Create',
      other: 'Ignore',
    })
    expect(await changes('Complete')).toMatchObject({ other: 'Delete' })
    expect(await names()).toEqual(['changed', 'other', 'same'])
    const { changes: all } = (await plane.send('POST', `${path('w')}/whatIf`, body(t))).body.properties
    expect(all.find((each: Loose) => each.changeType === 'Modify').delta).toEqual([
      { path: 'tags.a', propertyChangeType: 'Modify', before: 'b', after: 'c' },
    ])
  })
})

describe('the body of a deployment', () => {
  it('may be what az sends: names without quotes, comments, the file as it stands', async () => {
    const text = `{"properties": {"parameters": {}, "mode": "Incremental", template:{
      // a comment
      "$schema": "${schema}", "contentVersion": "1.0.0.0", /* another */
      "resources": [],
    }}}`
    const send = async (to: string): Promise<number> =>
      (await plane.send('PUT', to, undefined, { headers: { 'content-type': 'application/json' }, text })).status
    expect(await send(path())).toBe(201)
    // Elsewhere JSON is JSON.
    expect(await send(networkPath('publicIPAddresses', 'ip'))).toBe(400)
  })
})
