import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { calls, has, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az', "The stock Azure CLI (Debian's azure-cli 2.74)")

const vm = '-g rg1 -n cvm1'
const confidential =
  '--security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true --size Standard_DC2as_v5 --admin-username azureuser'
const image = '--image Strongroom:debian-13:cvm:latest'

suite('Signing in', () => {
  calls('Signing in', 'eval "$(strongroom env --login)" registers the cloud and signs in as the owner', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az account show')
    expect(outcome.code, outcome.stderr).toBe(0)
    expect(outcome.body).toMatchObject({ environmentName: 'Strongroom', tenantId: shell.tenant, state: 'Enabled' })
    note('eval "$(strongroom env --login)"', 'works')
  })
  works('cloud show', (body) => {
    expect(body.endpoints.resourceManager).toBe('https://management.strongroom.internal')
    expect(body.suffixes.keyvaultDns).toBe('.vault.strongroom.internal')
  })
  works('account list', (body) => expect(body).toHaveLength(1))
  works('account list-locations', has('name', 'westeurope'))
  works('account get-access-token', (body) => expect(body.accessToken.split('.')).toHaveLength(3))
  works('provider list', (body) => expect(body.length).toBeGreaterThan(4))
  works('provider show -n Microsoft.Network', (body) =>
    has('resourceType', 'virtualNetworks/subnets')(body.resourceTypes),
  )
  works('provider register -n Microsoft.Compute')

  calls(
    'Signing in',
    'az ad sp create-for-rbac, then az login by its secret, certificate and federated token',
    async () => {
      const robot = await shell.az('ad sp create-for-rbac -n robot --role Reader --scopes $SUB')
      expect(robot.code, robot.stderr).toBe(0)
      const { appId, password, tenant } = robot.body as { appId: string; password: string; tenant: string }
      note('az ad sp create-for-rbac -n robot --role Reader --scopes $SUB', 'works')
      const as = { AZURE_CONFIG_DIR: join(shell.installation.home, 'robot') }
      const cloud =
        'az cloud register -n Strongroom --endpoint-resource-manager https://management.strongroom.internal && az cloud set -n Strongroom'
      expect((await shell.shell(cloud, as)).code).toBe(0)
      const secretFile = join(shell.installation.home, 'secret')
      await writeFile(secretFile, password, { mode: 0o600 })
      const bySecret = await shell.az(`login --service-principal -u ${appId} -p @${secretFile} --tenant ${tenant}`, as)
      expect(bySecret.code, bySecret.stderr).toBe(0)
      note('az login --service-principal -u APP -p SECRET --tenant TENANT', 'works')
      expect((await shell.az('group create -n nope -l westeurope', as)).stderr).toContain('AuthorizationFailed')

      const pem = join(shell.installation.home, 'robot.pem')
      const made = await shell.shell(
        `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=robot -days 1 -keyout ${pem} -out ${pem}.crt ` +
          `2>/dev/null && cat ${pem}.crt >> ${pem} && az ad app credential reset --id ${appId} --cert @${pem}.crt ` +
          '--append',
      )
      expect(made.code, made.stderr).toBe(0)
      note('az ad app credential reset --id APP --cert @robot.crt --append', 'works')
      expect((await shell.shell('az account clear', as)).code).toBe(0)
      const byCertificate = await shell.az(
        `login --service-principal -u ${appId} --certificate ${pem} --tenant ${tenant}`,
        as,
      )
      expect(byCertificate.code, byCertificate.stderr).toBe(0)
      note('az login --service-principal -u APP --certificate robot.pem --tenant TENANT', 'works')

      const issuer = `https://login.strongroom.internal/${tenant}/v2.0`
      const token = (await shell.az('account get-access-token --resource api://AzureADTokenExchange')).body
        .accessToken as string
      const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
      const parameters = join(shell.installation.home, 'federated.json')
      await writeFile(
        parameters,
        JSON.stringify({ name: 'ci', issuer, subject: sub, audiences: ['api://AzureADTokenExchange'] }),
      )
      const federated = await shell.az(`ad app federated-credential create --id ${appId} --parameters @${parameters}`)
      expect(federated.code, federated.stderr).toBe(0)
      note('az ad app federated-credential create --id APP --parameters @federated.json', 'works')
      expect((await shell.shell('az account clear', as)).code).toBe(0)
      const byToken = await shell.az(
        `login --service-principal -u ${appId} --federated-token ${token} --tenant ${tenant}`,
        as,
      )
      expect(byToken.code, byToken.stderr).toBe(0)
      note('az login --service-principal -u APP --federated-token TOKEN --tenant TENANT', 'works')
    },
    120_000,
  )

  calls(
    'Signing in',
    'az login --use-device-code waits until the owner approves the code',
    async () => {
      const as = { AZURE_CONFIG_DIR: join(shell.installation.home, 'person') }
      const cloud =
        'az cloud register -n Strongroom --endpoint-resource-manager https://management.strongroom.internal && az cloud set -n Strongroom'
      expect((await shell.shell(cloud, as)).code).toBe(0)
      const line = `az login --use-device-code --tenant ${shell.tenant} 2> >(tee device.log >&2) & pid=$!
      for i in $(seq 100); do code=$(grep -o 'code [B-Z]\\{9\\}' device.log 2>/dev/null | cut -d' ' -f2 | head -1)
        [ -n "$code" ] && break; sleep 0.2; done
      strongroom env --approve "$code" --yes >&2; wait $pid`
      const outcome = await shell.shell(line, as)
      expect(outcome.code, outcome.stderr).toBe(0)
      const who = await shell.az('ad signed-in-user show', as)
      expect(who.body, who.stderr).toMatchObject({ userPrincipalName: 'owner@strongroom.internal' })
      note('az login --use-device-code', 'works')
      note('az ad signed-in-user show', 'works')
    },
    60_000,
  )
  works('ad sp list --display-name robot', (body) => expect(body).toHaveLength(1))
  works('ad app list --display-name robot', (body) => expect(body[0].keyCredentials).toHaveLength(1))
})

suite('Resource groups', () => {
  works('group create -n rg1 -l westeurope --tags purpose=test', (body) =>
    expect(body.tags).toEqual({ purpose: 'test' }),
  )
  works('group show -n rg1', (body) => expect(body.id).toContain('/resourceGroups/rg1'))
  works('group list', (body) => expect(body).toHaveLength(1))
  works('group list --tag purpose=test', (body) => expect(body).toHaveLength(1))
  works('group list --tag purpose=other', (body) => expect(body).toHaveLength(0))
  works('group exists -n rg1', (body) => expect(body).toBe(true))
  works('group exists -n none', (body) => expect(body).toBe(false))
  works('group update -n rg1 --set tags.owner=me', (body) =>
    expect(body.tags).toEqual({ purpose: 'test', owner: 'me' }),
  )
  refused('group show -n none', 'ResourceGroupNotFound')
  refused('group create -n rg2 -l mars', 'LocationNotAvailableForResourceType')
  refused('group create -n "bad/name" -l westeurope', 'ERROR')
})

suite('Network', () => {
  works(
    'network vnet create -g rg1 -n vnet1 --address-prefixes 10.0.0.0/16 --subnet-name default --subnet-prefixes 10.0.0.0/24',
    (body) => expect(body.newVNet.subnets).toHaveLength(1),
  )
  works('network vnet show -g rg1 -n vnet1')
  works('network vnet list -g rg1', (body) => expect(body).toHaveLength(1))
  works('network vnet update -g rg1 -n vnet1 --set tags.a=b', (body) => expect(body.tags).toEqual({ a: 'b' }))
  works('network nsg create -g rg1 -n nsg1', (body) => expect(body.NewNSG.defaultSecurityRules).toHaveLength(6))
  works('network nsg list -g rg1', (body) => expect(body).toHaveLength(1))
  works('network nsg show -g rg1 -n nsg1')
  works(
    'network nsg rule create -g rg1 --nsg-name nsg1 -n ssh --priority 100 --access Allow --protocol Tcp --destination-port-ranges 22',
    (body) => expect(body).toMatchObject({ priority: 100, access: 'Allow', direction: 'Inbound' }),
  )
  refused(
    'network nsg rule create -g rg1 --nsg-name nsg1 -n other --priority 100 --access Allow --protocol Tcp --destination-port-ranges 80',
    'SecurityRuleConflict',
  )
  works('network nsg rule update -g rg1 --nsg-name nsg1 -n ssh --priority 120', (body) =>
    expect(body.priority).toBe(120),
  )
  works('network nsg rule show -g rg1 --nsg-name nsg1 -n ssh')
  works('network nsg rule list -g rg1 --nsg-name nsg1', (body) => expect(body).toHaveLength(1))
  works('network nsg rule delete -g rg1 --nsg-name nsg1 -n ssh')
  works('network vnet subnet create -g rg1 --vnet-name vnet1 -n two --address-prefixes 10.0.1.0/24')
  refused(
    'network vnet subnet create -g rg1 --vnet-name vnet1 -n three --address-prefixes 10.0.1.0/25',
    'NetcfgSubnetRangesOverlap',
  )
  works('network vnet subnet update -g rg1 --vnet-name vnet1 -n two --network-security-group nsg1', (body) =>
    expect(body.networkSecurityGroup.id).toContain('nsg1'),
  )
  works('network vnet subnet list -g rg1 --vnet-name vnet1', (body) => expect(body).toHaveLength(2))
  works('network vnet subnet show -g rg1 --vnet-name vnet1 -n two')
  works('network vnet subnet delete -g rg1 --vnet-name vnet1 -n two')
  works('network public-ip create -g rg1 -n ip1 --sku Standard', (body) =>
    expect(body.publicIp.ipAddress).toMatch(/^\d+\./),
  )
  works('network public-ip show -g rg1 -n ip1')
  works('network public-ip list -g rg1', (body) => expect(body).toHaveLength(1))
  works('network public-ip update -g rg1 -n ip1 --set tags.a=b')
  works(
    'network nic create -g rg1 -n nic1 --vnet-name vnet1 --subnet default --public-ip-address ip1 --network-security-group nsg1',
    (body) => expect(body.NewNIC.ipConfigurations[0].privateIPAddress).toBe('10.0.0.4'),
  )
  works('network nic show -g rg1 -n nic1')
  works('network nic list -g rg1', (body) => expect(body).toHaveLength(1))
  works('network nic update -g rg1 -n nic1 --set tags.a=b')
  works('network nic ip-config list -g rg1 --nic-name nic1')
  refused('network public-ip delete -g rg1 -n ip1', 'PublicIPAddressCannotBeDeleted')
  refused('network vnet delete -g rg1 -n vnet1', 'InUseSubnetCannotBeDeleted')
  refused('network nsg delete -g rg1 -n nsg1', 'InUseNetworkSecurityGroupCannotBeDeleted')
  works('network nic delete -g rg1 -n nic1')
  works('network public-ip delete -g rg1 -n ip1')
})

suite('Virtual machines', () => {
  works(
    `vm create ${vm} ${image} ${confidential} --os-disk-security-encryption-type VMGuestStateOnly --generate-ssh-keys`,
    (body) => expect(body).toMatchObject({ powerState: 'VM running', privateIpAddress: '10.0.0.4' }),
  )
  works(
    `vm create -g rg1 -n cvm2 --image Debian13Cvm ${confidential} --os-disk-security-encryption-type ` +
      'DiskWithVMGuestState --generate-ssh-keys --public-ip-address "" --nsg ""',
    (body) => expect(body.powerState).toBe('VM running'),
  )
  works(
    `vm create -g rg1 -n tdx1 ${image} --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot ` +
      'true --size Standard_DC2es_v5 --admin-username azureuser --os-disk-security-encryption-type NonPersistedTPM ' +
      '--generate-ssh-keys --public-ip-address "" --nsg ""',
  )
  works(
    `vm create -g rg1 -n many --count 2 ${image} ${confidential} --os-disk-security-encryption-type ` +
      'VMGuestStateOnly --generate-ssh-keys --public-ip-address "" --nsg ""',
  )
  works('vm list -g rg1', (body) => expect(body).toHaveLength(5))
  works(`vm show ${vm}`, (body) => expect(body.securityProfile.securityType).toBe('ConfidentialVM'))
  works(`vm show -d ${vm}`, (body) => expect(body).toMatchObject({ powerState: 'VM running', privateIps: '10.0.0.4' }))
  works('vm list -d -g rg1', has('powerState', 'VM running'))
  works(`vm get-instance-view ${vm}`, (body) => has('code', 'PowerState/running')(body.instanceView.statuses))
  works(`vm list-ip-addresses ${vm}`, (body) =>
    expect(body[0].virtualMachine.network.privateIpAddresses).toEqual(['10.0.0.4']),
  )
  works(`vm stop ${vm}`)
  works(`vm start ${vm}`)
  works(`vm restart ${vm}`)
  works(`vm redeploy ${vm}`)
  refused(`vm resize ${vm} --size Standard_DC2es_v5`, 'OperationNotAllowed')
  works(`vm deallocate ${vm}`)
  works(`vm show -d ${vm} --query powerState`, (body) => expect(body).toBe('VM deallocated'))
  works(`vm list-vm-resize-options ${vm}`, (body) => expect(body.length).toBeGreaterThan(3))
  works(`vm resize ${vm} --size Standard_DC4as_v5`, (body) =>
    expect(body.hardwareProfile.vmSize).toBe('Standard_DC4as_v5'),
  )
  works(`vm update ${vm} --set tags.x=y`, (body) => expect(body.tags).toEqual({ x: 'y' }))
  works(`vm start ${vm}`)
  refused(`vm update ${vm} --set securityProfile.uefiSettings.vTpmEnabled=false`, 'ERROR')
  refused(
    `vm create -g rg1 -n bad ${image} --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true ` +
      '--size Standard_D2s_v5 --admin-username azureuser --os-disk-security-encryption-type VMGuestStateOnly ' +
      '--generate-ssh-keys --nsg "" --public-ip-address ""',
    'is not supported for creation of VMs and Virtual Machine Scale Set',
  )
  refused(
    `vm create -g rg1 -n bad ${image} --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot ` +
      'false --size Standard_DC2as_v5 --admin-username azureuser --os-disk-security-encryption-type ' +
      'DiskWithVMGuestState --generate-ssh-keys --nsg "" --public-ip-address ""',
    'Secure Boot is required',
  )
  works('vm delete -g rg1 -n cvm2 --yes')
  works(
    `vm create -g rg1 -n ubuntu1 --image Canonical:ubuntu-24_04-lts:cvm:latest ${confidential} ` +
      '--os-disk-security-encryption-type VMGuestStateOnly --generate-ssh-keys --public-ip-address "" --nsg "" ' +
      '--assign-identity',
  )
  works('vm get-instance-view -g rg1 -n ubuntu1', (body) =>
    expect(JSON.stringify(body.instanceView)).toContain('is not registered in this installation'),
  )
  works('vm identity show -g rg1 -n ubuntu1', (body) => expect(body.type).toBe('SystemAssigned'))
  works('vm identity remove -g rg1 -n ubuntu1')
  works('vm identity assign -g rg1 -n ubuntu1')
  works('vm delete -g rg1 -n tdx1 --yes')
  refused('vm show -g rg1 -n cvm2', 'ResourceNotFound')
})

suite('Disks', () => {
  works('disk create -g rg1 -n data1 --size-gb 8 --sku Premium_LRS', (body) =>
    expect(body.diskState).toBe('Unattached'),
  )
  works('disk show -g rg1 -n data1')
  works('disk list -g rg1', (body) => expect(body.length).toBeGreaterThan(2))
  works('disk update -g rg1 -n data1 --size-gb 16', (body) => expect(body.diskSizeGb ?? body.diskSizeGB).toBe(16))
  works('vm disk attach -g rg1 --vm-name cvm1 --name data1')
  works('vm disk attach -g rg1 --vm-name cvm1 --name data2 --new --size-gb 4')
  works(`vm show ${vm} --query storageProfile.dataDisks`, (body) => expect(body).toHaveLength(2))
  refused('disk delete -g rg1 -n data1 --yes', 'OperationNotAllowed')
  works('vm disk detach -g rg1 --vm-name cvm1 --name data1')
  works('disk delete -g rg1 -n data1 --yes')
})

suite('Sizes, quotas and images', () => {
  works('vm list-skus -l westeurope --size Standard_DC', (body) => expect(body.length).toBeGreaterThan(10))
  works('vm list-sizes -l westeurope', (body) => expect(body.length).toBeGreaterThan(10))
  works('vm list-usage -l westeurope', (body) => expect(body.length).toBeGreaterThan(3))
  works('vm image list', has('urnAlias', 'Debian13Cvm'))
  works('vm image list-publishers -l westeurope', (body) => expect(body.length).toBeGreaterThan(0))
  works('vm image list-offers -l westeurope -p Strongroom')
  works('vm image list-skus -l westeurope -p Strongroom -f debian-13')
  works('vm image list --publisher Strongroom --all', (body) => expect(body).toHaveLength(1))
  works('vm image show --urn Strongroom:debian-13:cvm:latest', (body) =>
    expect(body.features).toEqual([{ name: 'SecurityType', value: 'ConfidentialVmSupported' }]),
  )
})

suite('Tags, locks and resources', () => {
  refused('tag create --name cost', 'az tag create --resource-id', { offered: false })
  refused('tag add-value --name cost --value high', 'az tag create --resource-id', { offered: false })
  works('tag create --resource-id $SUB/resourceGroups/rg1 --tags k=v', (body) =>
    expect(body.properties.tags).toEqual({ k: 'v' }),
  )
  works('tag update --resource-id $SUB/resourceGroups/rg1 --operation Merge --tags z=1', (body) =>
    expect(body.properties.tags).toEqual({ k: 'v', z: '1' }),
  )
  works('tag list --resource-id $SUB/resourceGroups/rg1')
  works('tag list', has('tagName', 'x'))
  works('tag delete --resource-id $SUB/resourceGroups/rg1 --yes')
  works('resource tag --tags a=b -g rg1 -n cvm1 --resource-type Microsoft.Compute/virtualMachines')
  works('resource list -g rg1', (body) => expect(body.length).toBeGreaterThan(4))
  works('resource list --resource-type Microsoft.Compute/virtualMachines', (body) =>
    expect(body.length).toBeGreaterThan(1),
  )
  works('resource list --tag a=b', has('name', 'cvm1'))
  works('resource show -g rg1 -n cvm1 --resource-type Microsoft.Compute/virtualMachines')
  works('resource show --ids $SUB/resourceGroups/rg1/providers/Microsoft.Network/networkSecurityGroups/nsg1')
  works('lock create -g rg1 -n keep --lock-type CanNotDelete', (body) => expect(body.level).toBe('CanNotDelete'))
  works('lock list -g rg1', (body) => expect(body).toHaveLength(1))
  works('lock show -g rg1 -n keep')
  works('lock update -g rg1 -n keep --notes important', (body) => expect(body.notes).toBe('important'))
  refused(`vm delete ${vm} --yes`, 'ScopeLocked')
  refused('group delete -n rg1 --yes', 'ScopeLocked')
  works('lock delete -g rg1 -n keep')
  works(
    'rest --method get --url ' +
      '"https://management.strongroom.internal$SUB/providers/Microsoft.Insights/eventtypes/management/' +
      'values?api-version=2015-04-01"',
    (body) =>
      expect(body.value.map((each: { operationName: { value: string } }) => each.operationName.value)).toContain(
        'Microsoft.Compute/virtualMachines/write',
      ),
  )
})

suite('Roles', () => {
  works('role definition list', (body) => expect(body.length).toBeGreaterThan(10))
  works('role definition list --name "Virtual Machine Contributor"', (body) => expect(body).toHaveLength(1))
  works(
    'role definition create --role-definition \'{"Name":"Starter","Description":"starts ' +
      'VMs","Actions":["Microsoft.Compute/virtualMachines/start/action","*/read"],"AssignableScopes":["$SUB"]}\'',
    (body) => expect(body.roleName).toBe('Starter'),
  )
  works('role definition list --custom-role-only', (body) => expect(body).toHaveLength(1))
  works(
    'role assignment create --assignee "$(az ad app list --display-name robot --query [0].appId -o tsv)" --role ' +
      'Starter --scope $SUB/resourceGroups/rg1',
    (body) => expect(body.scope).toContain('/resourceGroups/rg1'),
  )
  works('role assignment list --all', (body) => expect(body.length).toBeGreaterThan(2))
  works('role assignment list -g rg1', (body) => expect(body).toHaveLength(1))
  refused('role definition delete --name Starter', 'RoleDefinitionHasAssignments')
  works('role assignment delete --role Starter -g rg1')
  works('role definition delete --name Starter')
})

suite('Templates', () => {
  it('a template with parameters, a loop, a condition, comments and outputs', async () => {
    const template = `{
      // Comments are part of what az sends.
      "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      "contentVersion": "1.0.0.0",
      "parameters": {
        "count": { "type": "int", "defaultValue": 2 },
        "withPublic": { "type": "bool", "defaultValue": false },
        "secret": { "type": "securestring" }
      },
      "variables": { "prefix": "[format('{0}-net', resourceGroup().name)]" },
      "resources": [
        {
          "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-09-01",
          "name": "[concat(variables('prefix'), copyIndex(1))]", "location": "[resourceGroup().location]",
          "copy": { "name": "nets", "count": "[parameters('count')]" },
          "properties": { "addressSpace": { "addressPrefixes": [ "[format('10.{0}.0.0/16', copyIndex(1))]" ] } }
        },
        { "condition": "[parameters('withPublic')]", "type": "Microsoft.Network/publicIPAddresses",
          "apiVersion": "2023-09-01", "name": "extra", "location": "[resourceGroup().location]" }
      ],
      "outputs": { "last": { "type": "string",
        "value": "[reference(concat(variables('prefix'), parameters('count'))).addressSpace.addressPrefixes[0]]" } }
    }`
    await writeFile(join(shell.installation.home, 'template.json'), template)
  })
  works('deployment group validate -g rg1 -f template.json -p secret=s3cret-value')
  works('deployment group what-if -g rg1 -f template.json -p secret=s3cret-value --no-pretty-print', (body) =>
    expect(body.changes.filter((each: { changeType: string }) => each.changeType === 'Create')).toHaveLength(2),
  )
  works('deployment group create -g rg1 -n first -f template.json -p secret=s3cret-value', (body) => {
    expect(body.properties.provisioningState).toBe('Succeeded')
    expect(body.properties.outputs.last.value).toBe('10.2.0.0/16')
  })
  works('deployment group show -g rg1 -n first', (_body, { stdout }) => expect(stdout).not.toContain('s3cret-value'))
  works('deployment group list -g rg1', has('name', 'first'))
  works('deployment operation group list -g rg1 -n first', (body) => expect(body).toHaveLength(2))
  works('deployment group export -g rg1 -n first')
  refused('deployment group create -g rg1 -n second -f template.json', 'ERROR')
  refused('deployment group validate -g rg1 -f template.json -p secret=x -p count=900', 'InvalidTemplate')
  works('deployment group delete -g rg1 -n first')
})

suite('The end', () => {
  works(`vm delete ${vm} --yes`)
  works('group delete -n rg1 --yes')
  works('group exists -n rg1', (body) => expect(body).toBe(false))
})
