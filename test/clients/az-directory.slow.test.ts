import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/** People, groups and applications of the directory, and their role assignments, with the stock az. */
useShell('az-directory', 'The Azure CLI: people, groups and their roles')

const robot = '$(az ad sp list --display-name robot --query [0].id -o tsv)'
const team = '$(az ad group show -g team --query id -o tsv)'

suite('People and groups', () => {
  calls('People and groups', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az account show')
    expect(outcome.code, outcome.stderr).toBe(0)
  })
  works('group create -n dir -l westeurope')
  works('group create -n seen -l westeurope')
  works('ad user create --display-name ana --password not-kept --user-principal-name ana@strongroom.internal')
  refused('ad user create --display-name b --password x --user-principal-name b@example.org', 'userPrincipalName')
  works('ad user show --id ana@strongroom.internal', (body) => expect(body.displayName).toBe('ana'))
  works('ad user list --display-name an', (body) => expect(body).toHaveLength(1))
  works('ad user list --upn ana@strongroom.internal', (body) => expect(body).toHaveLength(1))
  works('ad user update --id ana@strongroom.internal --display-name Ana')
  refused('ad user show --id none@strongroom.internal', 'does not exist')
  works('ad group create --display-name team --mail-nickname team')
  works('ad group create --display-name everybody --mail-nickname everybody')
  works('ad group list --display-name te', (body) => expect(body).toHaveLength(1))
  works('ad group show -g team')
  calls(
    'People and groups',
    'az ad sp create-for-rbac -n robot --role Reader --scopes $SUB/resourceGroups/seen',
    async () => {
      const made = await shell.az('ad sp create-for-rbac -n robot --role Reader --scopes $SUB/resourceGroups/seen')
      expect(made.code, made.stderr).toBe(0)
      note('az ad sp create-for-rbac -n robot --role Reader --scopes $SUB/resourceGroups/seen', 'works')
      const { appId, password, tenant } = made.body as Record<string, string>
      const login = await shell.shell(
        'AZURE_CONFIG_DIR=robot; export AZURE_CONFIG_DIR; az cloud register -n S --endpoint-resource-manager ' +
          `"$STRONGROOM_RESOURCE_MANAGER" && az cloud set -n S && az login --service-principal -u ${appId} -p ` +
          `"${password}" --tenant ${tenant}`,
      )
      expect(login.code, login.stderr).toBe(0)
      note('az login --service-principal -u APP -p SECRET --tenant TENANT', 'works')
    },
  )
  works(`ad group member add -g team --member-id ${robot}`)
  works('ad group member add -g team --member-id $(az ad user show --id ana@strongroom.internal --query id -o tsv)')
  works(`ad group member add -g everybody --member-id ${team}`)
  refused(`ad group member add -g team --member-id ${robot}`, 'Invalid value')
  works('ad group member list -g team', (body) => expect(body).toHaveLength(2))
  works(`ad group member check -g team --member-id ${robot}`, (body) => expect(body.value).toBe(true))
  works('ad user get-member-groups --id ana@strongroom.internal', (body) => expect(body).toHaveLength(2))
  works('ad group get-member-groups -g team', (body) => expect(body).toHaveLength(1))
})

/** The application's own rights, signed in by itself. */
function asRobot(chapter: string, line: string, code?: string): void {
  calls(chapter, `az ${line} as robot${code === undefined ? '' : ` is refused: ${code}`}`, async () => {
    const outcome = await shell.az(line, { AZURE_CONFIG_DIR: `${shell.installation.home}/robot` })
    if (code === undefined) expect(outcome.code, outcome.stderr).toBe(0)
    else expect(outcome.stderr).toContain(code)
    note(`az ${line} (as robot)`, code === undefined ? 'works' : `refused: ${code}`)
  })
}

suite('Roles', () => {
  const read = 'group show -n dir'
  asRobot('Roles', read, 'AuthorizationFailed')
  // Its role is in one group; az finds the subscription in its list at sign-in, SDKs and Terraform read it.
  asRobot('Roles', 'account show')
  asRobot('Roles', 'rest --method get --url "$STRONGROOM_RESOURCE_MANAGER$SUB?api-version=2022-12-01"')
  works(`role assignment create --assignee ${team} --role Reader --scope $SUB/resourceGroups/dir`, (body) =>
    expect(body.principalType).toBe('Group'),
  )
  asRobot('Roles', read)
  works(
    'role assignment create --assignee ana@strongroom.internal --role Reader --scope $SUB/resourceGroups/dir',
    (body) => expect(body.principalType).toBe('User'),
  )
  refused('role assignment create --assignee nobody@strongroom.internal --role Reader --scope $SUB', 'Cannot find user')
  works(`role assignment list --assignee ${robot} --include-groups --scope $SUB/resourceGroups/dir`, (body) =>
    expect(body).toHaveLength(1),
  )
  works('role assignment list -g dir --query [].principalName', (body) => expect(body).toHaveLength(2))
  works(`role assignment delete --assignee ${team} --role Reader --scope $SUB/resourceGroups/dir`)
  asRobot('Roles', read, 'AuthorizationFailed')
  works(
    'role assignment create --assignee-object-id $(az ad group show -g everybody --query id -o tsv) ' +
      '--assignee-principal-type Group --role Reader --scope $SUB/resourceGroups/dir',
  )
  asRobot('Roles', read)
  works(`ad group member remove -g team --member-id ${robot}`)
  asRobot('Roles', read, 'AuthorizationFailed')
})

const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
const only = (verb: string, source: string): string =>
  `(!(ActionMatches{'Microsoft.Authorization/roleAssignments/${verb}'}) OR ` +
  `@${source}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${reader}})`

suite('Delegates', () => {
  const at = '--scope $SUB/resourceGroups/seen'
  const to =
    '--assignee-object-id $(az ad user show --id ana@strongroom.internal --query id -o tsv) --assignee-principal-type User'
  const delegate =
    `role assignment create --assignee-object-id ${robot} --assignee-principal-type ServicePrincipal --role "Role ` +
    `Based Access Control Administrator" ${at}`
  const condition = `${only('write', 'Request')} AND ${only('delete', 'Resource')}`
  refused(`${delegate} --condition "@Principal[a:b] StringEquals 'c'" --condition-version "2.0"`, 'NotSupported')
  works(`${delegate} --condition "${condition}" --condition-version "2.0" --description delegate`, (body) =>
    expect([body.condition, body.conditionVersion, body.description]).toEqual([condition, '2.0', 'delegate']),
  )
  works(`role assignment list ${at} --query "[?description=='delegate'].condition"`, (body) =>
    expect(body).toEqual([condition]),
  )
  // The robot has no right to the directory of people: ids only.
  asRobot('Delegates', `role assignment create ${to} --role Reader ${at}`)
  asRobot('Delegates', `role assignment create ${to} --role Owner ${at}`, 'AuthorizationFailed')
  asRobot(
    'Delegates',
    `role assignment delete ${to.split(' --assignee-principal')[0]!.replace('-object-id', '')} --role Reader ${at}`,
  )
})

suite('Keys of a vault', () => {
  works('keyvault create -n dirbox -g dir --enable-rbac-authorization true')
  works(
    `role assignment create --assignee-object-id ${team} --assignee-principal-type Group --role "Key Vault ` +
      'Secrets User" --scope $SUB/resourceGroups/dir/providers/Microsoft.KeyVault/vaults/dirbox',
  )
  works(
    'role assignment create --assignee $(az account show --query user.name -o tsv) --role "Key Vault Secrets ' +
      'Officer" --scope $SUB/resourceGroups/dir',
  )
  works('keyvault secret set --vault-name dirbox -n s --value kept')
  asRobot('Keys of a vault', 'keyvault secret show --vault-name dirbox -n s', 'Forbidden')
  works(`ad group member add -g team --member-id ${robot}`)
  // The key service reads the groups in the token: a new one must be fetched.
  calls('Keys of a vault', 'az account clear, then az login', async () => {
    const found = await shell.az('ad app list --display-name robot --query [0].appId -o tsv')
    const reset = await shell.az(`ad app credential reset --id ${found.stdout.trim()}`)
    const { appId, password, tenant } = reset.body as Record<string, string>
    const login = await shell.shell(
      `az account clear; az login --service-principal -u ${appId} -p "${password}" --tenant ${tenant}`,
      { AZURE_CONFIG_DIR: `${shell.installation.home}/robot` },
    )
    expect(login.code, login.stderr).toBe(0)
  })
  asRobot('Keys of a vault', 'keyvault secret show --vault-name dirbox -n s')
})

suite('The end', () => {
  works('ad group delete -g team')
  works('ad user delete --id ana@strongroom.internal')
  works('ad user list', (body) => expect(body).toEqual([]))
  works('group delete -n dir --yes')
  works('group delete -n seen --yes')
})
