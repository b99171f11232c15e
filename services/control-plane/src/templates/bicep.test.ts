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

const deploy = async (t: Loose, parameters: Loose = {}): Promise<Loose> => {
  const { operation } = await plane.run('PUT', path(), body(t, { parameters }))
  return { operation, ...(await plane.send('GET', path())).body.properties }
}
/** As `bicep build` writes a file with types, functions, loops and existing resources. */
const compiled = (): Loose =>
  template(
    {
      old: { existing: true, type: 'Microsoft.Network/publicIPAddresses', apiVersion: '2023-09-01', name: 'old' },
      ips: {
        ...address("[__bicep.nameOf(parameters('settings').prefix, copyIndex())]"),
        copy: { name: 'ips', count: "[length(range(0, parameters('settings').count))]" },
        dependsOn: ['old'],
      },
      once: { ...address('old', { tags: { changed: 'yes' } }), '@options': { onlyIfNotExists: true }, name: 'kept' },
    },
    {
      languageVersion: '2.0',
      definitions: {
        settings: {
          type: 'object',
          properties: {
            prefix: { $ref: '#/definitions/short' },
            count: { type: 'int', minValue: 1, maxValue: 3 },
            note: { type: 'string', nullable: true },
            key: { type: 'securestring', nullable: true },
            shape: {
              type: 'object',
              nullable: true,
              discriminator: {
                propertyName: 'kind',
                mapping: {
                  round: { type: 'object', properties: { kind: { type: 'string' }, radius: { type: 'int' } } },
                  square: { type: 'object', properties: { kind: { type: 'string' }, side: { type: 'int' } } },
                },
              },
            },
          },
          additionalProperties: false,
        },
        short: { type: 'string', minLength: 1, maxLength: 4 },
      },
      parameters: { settings: { $ref: '#/definitions/settings' } },
      functions: [
        {
          namespace: '__bicep',
          members: {
            joined: {
              parameters: [
                { type: 'string', name: 'a' },
                { type: 'int', name: 'b' },
              ],
              output: { type: 'string', value: "[format('{0}-{1}', parameters('a'), parameters('b'))]" },
            },
            nameOf: {
              parameters: [
                { $ref: '#/definitions/short', name: 'a' },
                { type: 'int', name: 'b' },
              ],
              output: { type: 'string', value: "[toLower(__bicep.joined(parameters('a'), parameters('b')))]" },
            },
          },
        },
      ],
      outputs: {
        all: {
          type: 'array',
          value: "[map(references('ips'), lambda('each', lambdaVariables('each').provisioningState))]",
        },
        second: { type: 'string', value: "[resourceInfo('ips[1]').name]" },
        address: { type: 'string', value: "[reference('old').ipAddress]" },
        zones: { type: 'string', value: "[reference('ips[0]', '2023-09-01', 'full').location]" },
        typed: { $ref: '#/definitions/short', value: "[parameters('settings').prefix]" },
      },
    },
  )
const settings = (more: object = {}): Loose => ({ settings: { value: { prefix: 'IP', count: 2, ...more } } })

describe("Bicep's templates", () => {
  it('are deployed with their types, functions, loops and existing resources', async () => {
    for (const name of ['old', 'kept'])
      await plane.send('PUT', `${group}/providers/Microsoft.Network/publicIPAddresses/${name}`, {
        location: 'westeurope',
      })
    const made = await deploy(compiled(), settings({ shape: { kind: 'round', radius: 1 } }))
    expect([made.operation.error, made.error]).toEqual([undefined, undefined])
    expect(made.outputs).toMatchObject({
      all: { value: ['Succeeded', 'Succeeded'] },
      second: { value: 'ip-1' },
      zones: { value: 'westeurope' },
      typed: { type: 'string', value: 'IP' },
    })
    const kept = (await plane.send('GET', `${group}/providers/Microsoft.Network/publicIPAddresses/kept`)).body
    expect(kept.tags).toBeUndefined()
    // The object contains a secure member, so none of it is shown.
    expect(made.parameters.settings.value).toBeUndefined()
  })

  it.each<[string, object, string]>([
    ['a member that the type has not', { other: 1 }, 'settings.other'],
    ['a member that is missing', { prefix: undefined }, 'settings.prefix'],
    ['a member of another type', { count: 'two' }, 'settings.count'],
    ['a number above its bound', { count: 4 }, 'settings.count'],
    ['a text above its bound', { prefix: 'toolong' }, 'settings.prefix'],
    ['a kind that there is not', { shape: { kind: 'oval' } }, 'settings.shape.kind'],
    ['a kind without its member', { shape: { kind: 'square' } }, 'settings.shape.side'],
  ])('are refused for %s', async (_name, more, target) => {
    const { body: refused } = await plane.send('PUT', path(), body(compiled(), { parameters: settings(more) }))
    expect([refused.error.code, refused.error.target]).toEqual(['InvalidTemplate', target])
  })

  it.each<[string, Loose]>([
    ['a type that needs itself', { definitions: { a: { $ref: '#/definitions/b' }, b: { $ref: '#/definitions/a' } } }],
    ['a type that there is not', { definitions: {} }],
  ])('are refused for %s', async (_name, more) => {
    const t = template([], { languageVersion: '2.0', parameters: { p: { $ref: '#/definitions/a' } }, ...more })
    const { body: refused } = await plane.send('PUT', path(), body(t, { parameters: { p: { value: 1 } } }))
    expect(refused.error.code).toBe('InvalidTemplate')
  })

  it('are refused for a function that calls itself for ever', async () => {
    const t = compiled()
    t.functions[0].members.joined.output.value = "[__bicep.nameOf(parameters('a'), parameters('b'))]"
    const { body: refused } = await plane.send('PUT', path(), body(t, { parameters: settings() }))
    expect(refused.error.message).toContain('calls itself')
  })
})
