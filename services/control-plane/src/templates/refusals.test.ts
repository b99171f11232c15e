import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { address, deploymentBody as body, deploymentPath as path, template } from '../testing/templates.ts'
import { group, type Loose } from '../testing/test-plane.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeEach(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterEach(async () => await plane.close())

const refusal = async (t: Loose, more: object = {}): Promise<Loose> =>
  (await plane.send('PUT', path(), body(t, more))).body.error
const names = async (): Promise<string[]> =>
  ((await plane.send('GET', `${group}/resources`)).body.value as { name: string }[]).map(({ name }) => name).toSorted()

describe('a template is refused before anything is made', () => {
  const cycle = [address('a', { dependsOn: ['b'] }), address('b', { dependsOn: ['a'] })]
  it.each<[string, Loose, object, string]>([
    ['with a cycle', template(cycle), {}, 'Circular dependency'],
    ['with a resource twice', template([address('a'), address('A')]), {}, 'defined multiple times'],
    [
      'that depends on what it has not',
      template([address('a', { dependsOn: ['none'] })]),
      {},
      'is not defined in the template',
    ],
    ['without a value for a parameter', template([], { parameters: { p: { type: 'string' } } }), {}, 'is not provided'],
    ['with a parameter it has not', template([]), { parameters: { q: { value: 1 } } }, 'do not correspond'],
    [
      'with a value of another type',
      template([], { parameters: { p: { type: 'int' } } }),
      { parameters: { p: { value: 'x' } } },
      "is not of type 'int'",
    ],
    [
      'with a value that is not allowed',
      template([], { parameters: { p: { type: 'string', allowedValues: ['a'] } } }),
      { parameters: { p: { value: 'b' } } },
      'allowed value',
    ],
    [
      'with an unknown type',
      template([{ type: 'Microsoft.Web/sites', apiVersion: '2022-09-01', name: 'a' }]),
      {},
      'is not offered',
    ],
    [
      'with names for another number of types',
      template([{ ...address('a'), name: 'a/b' }]),
      {},
      'requires 1 resource name',
    ],
    ['with traversal in a name', template([address('../../x')]), {}, ''],
    [
      'with a variable that needs itself',
      template([address("[variables('a')]")], { variables: { a: "[variables('b')]", b: "[variables('a')]" } }),
      {},
      'circular',
    ],
    [
      'with 801 in a loop',
      template([address("[concat('a', copyIndex())]", { copy: { name: 'c', count: 801 } })]),
      {},
      '0 to 800',
    ],
    [
      'of another scope',
      {
        ...template([]),
        $schema: 'https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#',
      },
      {},
      'not for a resourceGroup',
    ],
    ['with a member that templates have not', template([], { resource: [] }), {}, 'Could not find member'],
    ['by a link', undefined, { templateLink: { uri: 'https://example.org/t.json' } }, 'does not fetch anything'],
  ])('%s', async (_name, t, more, reason) => {
    const error = await refusal(t, more)
    expect(error.message).toContain(reason)
    expect(await names()).toEqual([])
  })

  it('answers validation like the deployment, and makes nothing', async () => {
    const good = await plane.send('POST', `${path()}/validate`, body(template([address('ip')])))
    expect(good.body.properties.validatedResources).toHaveLength(1)
    const bad = await plane.send('POST', `${path()}/validate`, body(template(cycle)))
    expect([bad.status, bad.body.error.code, bad.body.properties]).toEqual([200, 'InvalidTemplate', undefined])
    expect(await names()).toEqual([])
  })
})
