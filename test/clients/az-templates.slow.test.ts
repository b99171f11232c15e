import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az-templates', "Scopes, template specs and generic resources with Debian's azure-cli 2.74")

const schema = (kind: string): string =>
  `https://schema.management.azure.com/schemas/2018-05-01/${kind}eploymentTemplate.json#`
const address = (name: string): object => ({
  type: 'Microsoft.Network/publicIPAddresses',
  apiVersion: '2023-09-01',
  name,
  location: 'westeurope',
  sku: { name: 'Standard' },
  properties: { publicIPAllocationMethod: 'Static' },
})

suite('Templates of a subscription', () => {
  it('a signed-in az, and a template that makes a group and a module in it', async () => {
    const signedIn = await shell.shell('eval "$(strongroom env --login)"')
    expect(signedIn.code, signedIn.stderr).toBe(0)
    const inner = {
      $schema: schema('d'),
      contentVersion: '1.0.0.0',
      parameters: { ip: { type: 'string' } },
      resources: [address("[parameters('ip')]")],
      outputs: {
        id: { type: 'string', value: "[resourceId('Microsoft.Network/publicIPAddresses', parameters('ip'))]" },
      },
    }
    const template = {
      $schema: schema('subscriptionD'),
      contentVersion: '1.0.0.0',
      parameters: { name: { type: 'string' } },
      resources: [
        {
          type: 'Microsoft.Resources/resourceGroups',
          apiVersion: '2022-09-01',
          name: "[parameters('name')]",
          location: '[deployment().location]',
        },
        {
          type: 'Microsoft.Resources/deployments',
          apiVersion: '2022-09-01',
          name: 'module',
          resourceGroup: "[parameters('name')]",
          dependsOn: ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', parameters('name'))]"],
          properties: {
            mode: 'Incremental',
            expressionEvaluationOptions: { scope: 'inner' },
            parameters: { ip: { value: 'ip1' } },
            template: inner,
          },
        },
      ],
    }
    await writeFile(join(shell.installation.home, 'subscription.json'), JSON.stringify(template))
    const below = {
      type: 'Microsoft.Resources/deployments',
      apiVersion: '2022-09-01',
      name: 'below',
      subscriptionId: shell.subscription,
      location: 'westeurope',
      properties: {
        mode: 'Incremental',
        template: { $schema: schema('subscriptionD'), contentVersion: '1.0.0.0', resources: [] },
      },
    }
    for (const [file, kind] of [
      ['tenant.json', 'tenantD'],
      ['mg.json', 'managementGroupD'],
    ] as const) {
      const text = JSON.stringify({ $schema: schema(kind), contentVersion: '1.0.0.0', resources: [below] })
      await writeFile(join(shell.installation.home, file), text)
    }
    await writeFile(
      join(shell.installation.home, 'group.json'),
      JSON.stringify({ $schema: schema('d'), contentVersion: '1.0.0.0', resources: [address('ip2')] }),
    )
  })
  const named = '-f subscription.json -p name=made'
  works(`deployment sub validate -l westeurope ${named}`)
  works(`deployment sub what-if -l westeurope ${named} --no-pretty-print`, (body) =>
    expect(body.changes.map((each: { changeType: string }) => each.changeType)).toEqual(['Create', 'Create']),
  )
  works(`deployment sub create -n all -l westeurope ${named}`, (body) =>
    expect(body.properties.provisioningState).toBe('Succeeded'),
  )
  works('deployment sub show -n all', (body) => expect(body.location).toBe('westeurope'))
  works('deployment sub list', (body) => expect(body).toHaveLength(1))
  works('deployment operation sub list -n all', (body) => expect(body).toHaveLength(2))
  works('deployment group show -g made -n module', (body) =>
    expect(body.properties.outputs.id.value).toContain('/resourceGroups/made/'),
  )
  works('deployment sub export -n all')
  works('deployment sub delete -n all')
  refused('deployment sub create -l westeurope -f group.json', 'InvalidTemplate')
})

suite('Templates of the tenant', () => {
  const me = '"$(az account show --query user.name -o tsv)"'
  refused('deployment tenant create -n top -l westeurope -f tenant.json', 'ERROR')
  works(
    'rest --method post --url "https://management.strongroom.internal/providers/Microsoft.Authorization/' +
      'elevateAccess?api-version=2016-07-01"',
  )
  works(`role assignment create --assignee ${me} --role Owner --scope /`, (body) => expect(body.scope).toBe('/'))
  works('deployment tenant validate -n top -l westeurope -f tenant.json')
  works('deployment tenant create -n top -l westeurope -f tenant.json', (body) =>
    expect(body.properties.provisioningState).toBe('Succeeded'),
  )
  works('deployment tenant list', (body) => expect(body).toHaveLength(1))
  works(
    'deployment mg create -m "$(az account show --query tenantId -o tsv)" -n top -l westeurope -f mg.json',
    (body) => expect(body.properties.provisioningState).toBe('Succeeded'),
  )
  works('role assignment list --scope /', (body) => expect(body).toHaveLength(2))
  works(`role assignment delete --assignee ${me} --role Owner --scope /`)
})

suite('Template specs', () => {
  works('ts create -g made -n web -v 1.0 -l westeurope -f group.json --yes', (body) =>
    expect(body.mainTemplate.resources).toHaveLength(1),
  )
  works('ts show -g made -n web -v 1.0')
  works('ts list -g made', (body) => expect(body).toHaveLength(1))
  works(
    'deployment group create -g made -n spec --template-spec ' +
      '$SUB/resourceGroups/made/providers/Microsoft.Resources/templateSpecs/web/versions/1.0',
    (body) => expect(body.properties.templateLink.id).toContain('/versions/1.0'),
  )
  works('ts delete -g made -n web -v 1.0 --yes')
  refused('deployment group create -g made --template-uri https://example.org/t.json', 'ERROR')
})

suite('Generic resources', () => {
  works(
    'resource create -g made -n ip3 --resource-type Microsoft.Network/publicIPAddresses --is-full-object -p ' +
      '\'{"location":"westeurope","sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static"}}\'',
    (body) => expect(body.properties.provisioningState).toBe('Succeeded'),
  )
  works('resource show -g made -n ip3 --resource-type Microsoft.Network/publicIPAddresses')
  works('resource list -g made', (body) => {
    expect(body).toHaveLength(4)
    // The spec remains, its only version was deleted.
    expect(body.map(({ type }: { type: string }) => type)).toContain('Microsoft.Resources/templateSpecs')
  })
  works('resource delete -g made -n ip3 --resource-type Microsoft.Network/publicIPAddresses')
  works('group export -n made', (body) => expect(body.resources).toHaveLength(2))
  works('vm list-skus -l westeurope --all', (body) => expect(body.length).toBeGreaterThan(50))
  works(
    'rest --method get --url "https://management.strongroom.internal/providers/Microsoft.Management/' +
      'managementGroups?api-version=2020-05-01"',
    (body) => expect(body.value).toHaveLength(1),
  )
  works('role assignment list --scope $SUB', (body) => expect(body.length).toBeGreaterThan(0))
  works('group delete -n made --yes')
})
