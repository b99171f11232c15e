import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/** Operators' work with existing VMs, and moves between groups; against an installation without guests. */
useShell('az-operations', 'The Azure CLI: operating virtual machines, moving resources')

const image = '--image Strongroom:debian-13:cvm:latest'
const confidential =
  `${image} --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true --size Standard_DC2as_v5 ` +
  '--admin-username azureuser --os-disk-security-encryption-type DiskWithVMGuestState --generate-ssh-keys'
const bare = '--public-ip-address "" --nsg ""'
const network = '$SUB/resourceGroups/ops/providers/Microsoft.Network'
const compute = '$SUB/resourceGroups/ops/providers/Microsoft.Compute'

/** Runs a line in which DISK is a VM's OS disk, whose name only the server's answer shows. */
function ofDisk(chapter: string, line: string, code?: string): void {
  calls(chapter, `az ${line}`, async () => {
    const disk = await shell.az('vm show -g ops -n cvm1 --query storageProfile.osDisk.name -o tsv')
    const outcome = await shell.az(line.replace('DISK', disk.stdout.trim()))
    if (code === undefined) expect(outcome.code, outcome.stderr).toBe(0)
    else {
      expect(outcome.code, outcome.stdout).not.toBe(0)
      expect(outcome.stderr).toContain(code)
    }
    const result = code === undefined ? 'works' : `${code === 'NoDiskContent' ? 'not offered' : 'refused'}: ${code}`
    note(`az ${line}`, result)
  })
}

suite('Several virtual machines', () => {
  calls('Several virtual machines', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az account show')
    expect(outcome.code, outcome.stderr).toBe(0)
  })
  works('group create -n ops -l westeurope')
  works('group create -n other -l northeurope')
  works(`vm create -g ops -n cvm1 ${confidential}`, (body) => expect(body.powerState).toBe('VM running'))
  works(`vm create -g ops -n many --count 3 ${confidential} ${bare}`, (body) => expect(body).toHaveLength(3))
  works(
    `vm create -g ops -n std ${image} --security-type Standard --size Standard_D2s_v5 --admin-username azureuser ` +
      `--generate-ssh-keys ${bare}`,
  )
  refused(
    `vm create -g ops -n sold ${confidential} ${bare} --plan-name a --plan-product b --plan-publisher c`,
    'VMMarketplaceInvalidInput',
  )
  refused(`vm create -g ops -n script ${confidential} ${bare} --count 300`, 'ERROR')
  works('vm list -g ops --query [].name', (body) => expect(body).toHaveLength(5))
  works('vm list-ip-addresses -g ops', (body) => expect(body).toHaveLength(5))
  works('vm wait -g ops -n cvm1 --created')
  works('vm nic list -g ops --vm-name cvm1', (body) => expect(body).toHaveLength(1))
  works('vm nic show -g ops --vm-name cvm1 --nic cvm1VMNic')
  works('vm redeploy -g ops -n cvm1')
  works('vm restart -g ops -n cvm1 --force')
  works('vm list-usage -l westeurope --query "[?name.value==\'cores\'].currentValue"', (body) =>
    expect(body).toEqual(['10']),
  )
  works('vm list-skus -l westeurope --resource-type virtualMachines --size Standard_DC2as_v5', (body) =>
    expect(body[0].capabilities).toContainEqual({ name: 'ConfidentialComputingType', value: 'SNP' }),
  )
  works('vm deallocate --ids $SUB/resourceGroups/ops/providers/Microsoft.Compute/virtualMachines/many0')
  works('vm resize -g ops -n many0 --size Standard_DC4as_v5')
  refused('vm resize -g ops -n many0 --size Standard_D2s_v5', 'ERROR')
  works('vm delete --ids $(az vm list -g ops --query "[?starts_with(name,\'many\')].id" -o tsv) --yes')
})

suite('Ports', () => {
  works('vm open-port -g ops -n cvm1 --port 443', (body) =>
    expect(body.securityRules.map((rule: { name: string }) => rule.name)).toContain('open-port-443'),
  )
  works('vm open-port -g ops -n cvm1 --port 8000-8010 --priority 950')
  refused('vm open-port -g ops -n cvm1 --port 81 --priority 950', 'SecurityRuleConflict')
  works('vm open-port -g ops -n cvm1 --port 80 --priority 960 --apply-to-subnet --nsg-name subnets')
})

suite('Addresses', () => {
  works('network vnet check-ip-address -g ops -n cvm1VNET --ip-address 10.0.0.99', (body) =>
    expect(body.available).toBe(true),
  )
  works('network vnet subnet list-available-ips -g ops --vnet-name cvm1VNET -n cvm1Subnet', (body) =>
    expect(body).toHaveLength(5),
  )
  refused('network vnet check-ip-address -g ops -n cvm1VNET --ip-address 192.168.0.1', 'PrivateIPAddressNotInAnySubnet')
})

suite('Commands in guests', () => {
  works('vm run-command list -l westeurope', (body) => expect(body[0].id).toBe('RunShellScript'))
  works('vm run-command show -l westeurope --command-id RunShellScript')
  refused('vm run-command show -l westeurope --command-id RunPowerShellScript', 'ERROR')
  // Guests' answers are tested in test/system: here none runs.
  refused('vm run-command invoke -g ops -n cvm1 --command-id RunShellScript --scripts "id"', 'RunCommandNotSigned')
  refused('vm run-command invoke -g ops -n std --command-id RunShellScript --scripts "id"', 'NoGuestRan', {
    offered: false,
  })
  refused('vm run-command create -g ops --vm-name cvm1 --run-command-name rc --script "id"', 'RunCommandNotSigned')
  refused('vm run-command create -g ops --vm-name std --run-command-name rc --script "id"', 'NoGuestRan', {
    offered: false,
  })
  works('vm run-command list -g ops --vm-name std --expand instanceView', (body) => expect(body).toEqual([]))
  refused('vm run-command show -g ops --vm-name std --run-command-name rc', 'ResourceNotFound')
  works('vm run-command delete -g ops --vm-name std --run-command-name rc --yes')
  refused(
    'vm extension set -g ops --vm-name cvm1 --publisher Microsoft.Azure.Extensions -n CustomScript --version 2.1 ' +
      '--no-auto-upgrade-minor-version',
    'VMExtensionsRefused',
  )
  works('vm extension list -g ops --vm-name cvm1', (body) => expect(body).toEqual([]))
  refused('vm user update -g ops -n cvm1 -u me --ssh-key-value k', 'VMExtensionsRefused')
  refused('vm assess-patches -g ops -n cvm1', 'GuestAgentRefused')
})

suite('Boot diagnostics', () => {
  refused('vm boot-diagnostics get-boot-log -g ops -n cvm1', 'Please enable boot diagnostics')
  works('vm boot-diagnostics enable -g ops -n cvm1')
  works('vm boot-diagnostics get-boot-log -g ops -n cvm1', (_body, { stdout }) =>
    expect(stdout).toContain('no guest ran'),
  )
  works('vm boot-diagnostics get-boot-log-uris -g ops -n cvm1 --expire 5', (body) =>
    expect(body.serialConsoleLogBlobUri).toMatch(/^https:/),
  )
  refused('vm boot-diagnostics get-boot-log-uris -g ops -n cvm1 --expire 9999', 'InvalidParameter')
  works('vm boot-diagnostics disable -g ops -n cvm1')
})

suite('Images and their terms', () => {
  works('vm image list-publishers -l westeurope', (body) => expect(body.length).toBeGreaterThan(1))
  works('vm image list-offers -l westeurope -p Canonical')
  works('vm image list-skus -l westeurope -p Canonical -f ubuntu-24_04-lts')
  works('vm image list --offer debian-13 --sku cvm --all', (body) =>
    expect(body[0].urn).toMatch(/^Strongroom:debian-13:cvm:/),
  )
  works('vm image show --urn Canonical:ubuntu-24_04-lts:cvm:latest', (body) =>
    expect(body.features).toContainEqual({ name: 'SecurityType', value: 'ConfidentialVmSupported' }),
  )
  refused('vm image show --urn None:none:none:latest', 'ERROR')
  refused('vm image terms show --urn Canonical:ubuntu-24_04-lts:cvm:latest', 'has no terms to accept')
  refused('vm image terms accept --urn Strongroom:debian-13:cvm:latest', 'has no terms to accept')
  refused('vm image terms show -p Canonical -f ubuntu-24_04-lts --plan cvm', 'No image here has a plan or terms')
  refused('vm image terms accept -p Canonical -f ubuntu-24_04-lts --plan cvm', 'No image here has a plan or terms')
  refused('vm image terms cancel -p Canonical -f ubuntu-24_04-lts --plan cvm', 'No image here has a plan or terms')
})

suite('Access to disks', () => {
  ofDisk('Access to disks', 'disk grant-access -g ops -n DISK --duration-in-seconds 60', 'OperationNotAllowed')
  works('vm deallocate -g ops -n cvm1')
  ofDisk(
    'Access to disks',
    'disk grant-access -g ops -n DISK --duration-in-seconds 60 --secure-vm-guest-state-sas',
    'NoDiskContent',
  )
  ofDisk('Access to disks', 'disk revoke-access -g ops -n DISK')
  works('disk create -g ops -n data --size-gb 4')
  refused('disk grant-access -g ops -n data --duration-in-seconds 60', 'OperationNotAllowed')
  works('disk create -g ops -n upload --upload-type Upload --upload-size-bytes 20972032')
  refused('disk grant-access -g ops -n upload --access-level Write --duration-in-seconds 60', 'NoDiskContent', {
    offered: false,
  })
  works('disk revoke-access -g ops -n upload')
})

suite('Moving resources', () => {
  works('network public-ip create -g ops -n moved --sku Standard')
  works('network nsg create -g ops -n moved')
  works('keyvault create -n opsmoved -g ops')
  works(
    `resource move --destination-group other --ids ${network}/publicIPAddresses/moved ` +
      `${network}/networkSecurityGroups/moved ${compute}/disks/data ` +
      '$SUB/resourceGroups/ops/providers/Microsoft.KeyVault/vaults/opsmoved',
  )
  works('network public-ip show -g other -n moved', (body) => expect(body.location).toBe('westeurope'))
  works('keyvault show -n opsmoved', (body) => expect(body.resourceGroup).toBe('other'))
  works('disk show -g other -n data')
  refused(`resource move --destination-group other --ids ${network}/publicIPAddresses/moved`, 'ResourceNotFound')
  refused(`resource move --destination-group other --ids ${compute}/virtualMachines/std`, 'ResourceMoveNotSupported')
  ofDisk(
    'Moving resources',
    'resource move --destination-group other --ids $SUB/resourceGroups/ops/providers/Microsoft.Compute/disks/DISK',
    'ResourceMoveNotSupported',
  )
  works(
    'resource invoke-action --action validateMoveResources --ids $SUB/resourceGroups/other --request-body ' +
      '"{\\"resources\\":[\\"$SUB/resourceGroups/other/providers/Microsoft.Network/publicIPAddresses/moved\\"],' +
      '\\"targetResourceGroup\\":\\"$SUB/resourceGroups/ops\\"}"',
  )
  works(`resource move --destination-group other --ids ${network}/networkInterfaces/cvm1VMNic`)
  works('vm start -g ops -n cvm1')
  works('vm list-ip-addresses -g ops -n cvm1', (body) => expect(body).toHaveLength(1))
  works('lock create -g other -n still --lock-type ReadOnly')
  refused(`resource move --destination-group other --ids ${network}/networkSecurityGroups/cvm1NSG`, 'ScopeLocked')
  works('lock delete -g other -n still')
})

suite('The end', () => {
  // Its VM has an interface in the other group, in a network of this one.
  works('vm delete -g ops -n cvm1 --yes')
  refused('group delete -n ops --yes', 'ResourceGroupDeletionBlocked')
  works('group delete -n other --yes')
  works('group delete -n ops --yes')
  works('keyvault purge -n opsmoved -l westeurope')
})
