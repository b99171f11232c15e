import { graphHost, managementHost } from '@strongroom/contract'
import type { Call } from './calls.ts'

const repeated = (times: number, part: string, sign: string): string =>
  Array.from({ length: times }, () => part).join(sign)

/** Queries of the resource graph, each as expensive as one of its kind may be. */
const queries: Record<string, string> = {
  'a query of many columns': `Resources | ${repeated(350, 'project id, name, type, properties, a = id', ' | ')}`,
  'a query of many groups': 'Resources | summarize count() by id, name, type, tostring(properties)',
  'a query over all texts': `Resources | where ${repeated(300, "tostring(properties) has 'a'", ' or ')}`,
}

const template = (parameters: object, variables: object, value: string): object => ({
  properties: {
    mode: 'Incremental',
    template: {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      parameters,
      variables,
      resources: [
        {
          type: 'Microsoft.Network/publicIPAddresses',
          apiVersion: '2024-05-01',
          name: `[string(${value})]`,
          location: 'westeurope',
        },
      ],
    },
  },
})
/** Of as many members as an object may have. */
const wide = (part: number, value: (n: number) => unknown): object =>
  Object.fromEntries(Array.from({ length: 7_900 }, (_, n) => [`n${part}x${n}`, value(n)]))
const object = wide(0, (n) => ({ a: n }))
const loop = (name: string, input: unknown): object => ({ copy: [{ name, count: 800, input }] })

/** Templates, each as expensive as one of its kind may be. */
const templates: Record<string, object> = {
  'a template of loops in loops': template({}, loop('a', loop('b', loop('c', 0))), "length(variables('a'))"),
  'a template of large objects': template(
    {},
    { object },
    "length(map(range(0, 9000), lambda('x', union(variables('object'), variables('object')))))",
  ),
  'a template of long texts': template(
    {},
    { text: 'a,'.repeat(60_000) },
    "length(map(range(0, 9000), lambda('x', replace(variables('text'), ',', string(lambdaVariables('x'))))))",
  ),
}

const sixtyClaims = Array.from({ length: 60 }, (_, n) => `=>add(type="a", value=${n});`).join('')
const pairs = 'a:[type=="a"]&&b:[type=="a"]=>add(type="b", value=a.value);'
const doubled = `JmesPath(c.value, "${repeated(8, '[@,@]', '|')}")`

/** Attestation policies, each as expensive as one of its kind may be. */
export const policies: Record<string, string> = {
  'a policy whose conditions multiply': `version=1.0;authorizationrules{${sixtyClaims}${repeated(400, pairs, '')}=>permit();};`,
  'a policy that queries again and again':
    'version=1.2;authorizationrules{' +
    repeated(400, `c:[type=="x-ms-runtime"]=>add(type="a", value=${doubled});`, '') +
    '=>permit();};',
}

/** Nearly what is asked for, so that each pattern is tried at each place. */
const nearly = `Microsoft.Resources/${repeated(85, '*e', '')}*/x`
const patterns = Array.from({ length: 256 }, (_, n) => `${nearly}${n}`)

/** A role with as many patterns as one may have, which every request of its holder is compared with. */
export const roleOfPatterns = (scope: string): { path: string; body: object } => ({
  path: `${scope}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-00000000c057`,
  body: {
    properties: {
      roleName: 'costly',
      type: 'CustomRole',
      assignableScopes: [scope],
      permissions: [{ actions: ['*/read', ...patterns.slice(1)], notActions: patterns }],
    },
  },
})

/** Bodies of templates, each as expensive to parse as one of its kind may be. */
const longBodies: Record<string, string> = {
  'a body of many members': JSON.stringify(Array.from({ length: 5 }, (_, part) => wide(part, () => 1))),
  'a body of many objects': `[${'{},'.repeat(39_900)}1]`,
  'a body of more values than may be': `[${'{},'.repeat(1_300_000)}1]`,
  'a body of spaces': `[1,${' '.repeat(4_000_000)}]`,
  'a body of lines in a text': `["${'\n'.repeat(190_000)}"]`,
  'a body of more lines than may be': `["${'\n'.repeat(1_300_000)}"]`,
  'a body of comments': `[1,${'/**/'.repeat(130_000)}2]`,
  'a body of names without quotation marks': `{${Array.from({ length: 3_800 }, (_, n) => `n${n}:1`).join()}}`,
}

/** The worst requests that a server still evaluates, as a caller with a role may send them. */
export function costlyCalls(o: { subscription: string; token: string; directoryToken: string }): Call[] {
  const { subscription, token, directoryToken } = o
  const group = `${subscription}/resourceGroups/rg`
  const post = (name: string, path: string, body: object): Call => ({
    name,
    host: managementHost,
    method: 'POST',
    path,
    token,
    bodies: [JSON.stringify(body)],
  })
  const dimensions = { name: 'Meter', operator: 'In', values: ['a'] }
  const dataset = { filter: { or: Array.from({ length: 99 }, () => ({ dimensions })) } }
  return [
    ...Object.entries(queries).map(([name, query]) =>
      post(name, '/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01', { query }),
    ),
    ...Object.entries(templates).map(([name, body]) =>
      post(name, `${group}/providers/Microsoft.Resources/deployments/d/validate?api-version=2024-11-01`, body),
    ),
    ...Object.entries(longBodies).map(([name, body]): Call => ({
      ...post(name, `${group}/providers/Microsoft.Resources/deployments/d/validate?api-version=2024-11-01`, {}),
      bodies: [body],
    })),
    post(
      'a cost query of many conditions',
      `${group}/providers/Microsoft.CostManagement/query?api-version=2023-11-01`,
      {
        type: 'ActualCost',
        timeframe: 'MonthToDate',
        dataset,
      },
    ),
    {
      name: 'a role of many patterns',
      host: managementHost,
      method: 'PUT',
      path: `${roleOfPatterns(subscription).path}?api-version=2022-04-01`,
      token,
      bodies: [JSON.stringify(roleOfPatterns(subscription).body)],
    },
    {
      name: 'a read under a role of many patterns',
      host: managementHost,
      method: 'GET',
      path: `${group}?api-version=2024-11-01`,
      token,
    },
    {
      name: 'a $select as long as a request',
      host: managementHost,
      method: 'GET',
      path: `${group}/providers/Microsoft.Compute/virtualMachines?api-version=2024-11-01&$select=${repeated(2_000, 'name', ',')}`,
      token,
    },
    {
      name: 'a filter of the directory',
      host: graphHost,
      method: 'GET',
      path: `/v1.0/servicePrincipals?$filter=${encodeURIComponent(repeated(24, "displayName eq 'a'", ' and '))}`,
      token: directoryToken,
    },
    {
      name: 'a filter of many terms',
      host: managementHost,
      method: 'GET',
      path: `${group}/resources?api-version=2024-11-01&$filter=${encodeURIComponent(repeated(16, "tagName eq 'a'", ' and '))}`,
      token,
    },
  ]
}
