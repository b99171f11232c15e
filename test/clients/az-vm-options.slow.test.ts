import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/** Options of `az vm create` and `az vm update`, as a user writes them; against an installation without guests. */
useShell('az-vm-options', 'The Azure CLI: options of virtual machines')

const common =
  '--image Strongroom:debian-13:cvm:latest --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot ' +
  'true --size Standard_DC2as_v5 --admin-username azureuser --os-disk-security-encryption-type ' +
  'DiskWithVMGuestState'
const keys = '--generate-ssh-keys'
const bare = '--public-ip-address "" --nsg ""'
const create = (name: string, more: string): string => `vm create -g opt -n ${name} ${common} ${keys} ${more}`

suite('A new virtual machine', () => {
  calls('A new virtual machine', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell(
      'eval "$(strongroom env --login)" && az account show && echo "#cloud-config" >custom.txt',
    )
    expect(outcome.code, outcome.stderr).toBe(0)
    note('az cloud register -n Strongroom --endpoint-resource-manager https://management.strongroom.internal', 'works')
  })
  works('group create -n opt -l westeurope')
  works(create('host', `${bare} --encryption-at-host true --zone 1 --tags a=b c=d`), (body) =>
    expect(body.zones).toBe('1'),
  )
  works(create('data', `${bare} --custom-data custom.txt --user-data custom.txt --computer-name other`))
  works('vm show -g opt -n data --include-user-data', (body) =>
    expect(body).toMatchObject({ osProfile: { computerName: 'other' }, userData: 'I2Nsb3VkLWNvbmZpZwo=' }),
  )
  works(
    create(
      'disk',
      `${bare} --os-disk-size-gb 64 --os-disk-name disk4 --os-disk-caching ReadOnly --storage-sku Standard_LRS`,
    ),
  )
  works('disk show -g opt -n disk4', (body) => expect(body.diskSizeGB).toBe(64))
  works(create('disks', `${bare} --data-disk-sizes-gb 4 8`))
  works('vm show -g opt -n disks --query storageProfile.dataDisks', (body) => expect(body).toHaveLength(2))
  works(create('gone', `${bare} --os-disk-delete-option Delete --nic-delete-option Delete`))
  works('vm delete -g opt -n gone --yes')
  works('network nic list -g opt --query "[?starts_with(name,\'gone\')]"', (body) => expect(body).toEqual([]))
  works(create('later', `${bare} --no-wait`))
  works('vm wait -g opt -n later --created')
  works(create('never', `${bare} --validate`))
  works('network nic create -g opt -n own --vnet-name hostVNET --subnet hostSubnet')
  works(`vm create -g opt -n nic ${common} ${keys} --nics own`)
  works(create('static', `${bare} --private-ip-address 10.0.0.77`), (body) =>
    expect(body.privateIpAddress).toBe('10.0.0.77'),
  )
  works(create('named', '--public-ip-address named --public-ip-address-dns-name shop --nsg-rule SSH'), (body) =>
    expect(body.fqdns).toBe('shop.westeurope.cloudapp.strongroom.internal'),
  )
  refused(create('named2', '--public-ip-address named2 --public-ip-address-dns-name shop'), 'DnsRecordInUse')
  works('identity create -g opt -n uai')
  works(create('both', `${bare} --assign-identity "[system]" uai`), (body) =>
    expect(Object.keys(body.identity.userAssignedIdentities as object)).toHaveLength(1),
  )
  works(create('role', `${bare} --assign-identity --role Reader --scope $SUB/resourceGroups/opt`), (body) =>
    expect(body.identity.role).toBe('Reader'),
  )
  works(create('quiet', `${bare} --enable-agent false --patch-mode ImageDefault`))
})

suite('Availability sets', () => {
  works('vm availability-set create -g opt -n set1 --tags a=b', (body) =>
    expect(body).toMatchObject({ sku: { name: 'Aligned' }, platformFaultDomainCount: 2, virtualMachines: [] }),
  )
  works('vm availability-set create -g opt -n set2 --unmanaged --platform-update-domain-count 3')
  works('vm availability-set convert -g opt -n set2', (body) => expect(body.sku.name).toBe('Aligned'))
  works(create('beside', `${bare} --availability-set set1`))
  works('vm show -g opt -n beside --query availabilitySet.id', (body) =>
    expect(body).toMatch(/availabilitySets\/set1$/),
  )
  works('vm availability-set show -g opt -n set1 --query virtualMachines', (body) => expect(body).toHaveLength(1))
  works('vm availability-set list -g opt --query "[].name"', (body) => expect(body).toEqual(['set1', 'set2']))
  works('vm availability-set list-sizes -g opt -n set1 --query "length(@)"', (body) => expect(body).toBeGreaterThan(10))
  works('vm availability-set update -g opt -n set1 --set tags.c=d', (body) => expect(body.tags.c).toBe('d'))
  works('vm update -g opt -n beside --set tags.a=b')
  refused('vm availability-set delete -g opt -n set1', 'OperationNotAllowed', { offered: true })
  works('vm availability-set delete -g opt -n set2')
  works('vm delete -g opt -n beside --yes')
  works('vm availability-set delete -g opt -n set1')
})

suite('What is refused', () => {
  for (const [option, code] of [
    ['--accelerated-networking true', 'VMSizeIsNotPermittedToEnableAcceleratedNetworking'],
    ['--priority Spot --max-price -1', 'Spot'],
    ['--ephemeral-os-disk true', 'Ephemeral'],
    ['--ultra-ssd-enabled true', 'ultraSSDEnabled'],
    ['--enable-hibernation true', 'hibernationEnabled'],
    ['--v-cpus-available 1', 'cores'],
    ['--license-type UBUNTU_PRO', 'licenseType'],
    ['--additional-scheduled-events true', 'scheduledEvents'],
    ['--host-group x', 'hostGroup'],
  ] as const)
    refused(create('bad', `${bare} ${option}`), code, { offered: /^--(accelerated|enable-hibernation)/.test(option) })
  refused(create('bad', `${bare} --boot-diagnostics-storage x`), 'InvalidResourceType', { offered: false })
  // The machine is created; az's subsequent extension is not.
  refused(create('watched', `${bare} --enable-integrity-monitoring`), 'VMExtensionsRefused', { offered: false })
  refused('vm create -g opt -n nokey --image Debian13Cvm --security-type ConfidentialVM', 'ERROR')
})

suite('Changes of a virtual machine', () => {
  works('vm update -g opt -n disk --user-data custom.txt')
  refused('vm update -g opt -n disk --os-disk other', 'NotSupported')
  refused('vm update -g opt -n disk --enable-secure-boot false', 'Secure Boot is required')
  refused('vm update -g opt -n disk --set securityProfile.securityType=TrustedLaunch', 'PropertyChangeNotAllowed')
  refused('vm nic add -g opt --vm-name disk --nics own', 'NicInUse')
  works('vm identity assign -g opt -n disk --identities uai')
  works('vm identity remove -g opt -n disk --identities uai')
  works('vm disk attach -g opt --vm-name disk --name extra --new --size-gb 4 --sku Standard_LRS --caching None --lun 3')
  works('vm show -g opt -n disk --query storageProfile.dataDisks[0].lun', (body) => expect(body).toBe(3))
  works('vm disk detach -g opt --vm-name disk --name extra')
  works('disk create -g opt -n more --size-gb 4')
  const ids = ['extra', 'more'].map((name) => `$SUB/resourceGroups/opt/providers/Microsoft.Compute/disks/${name}`)
  works(`vm disk attach -g opt --vm-name disk --disk-ids ${ids.join(' ')}`)
  works('vm show -g opt -n disk --query storageProfile.dataDisks[].name', (body) =>
    expect(body).toEqual(['extra', 'more']),
  )
  works(`vm disk detach -g opt --vm-name disk --disk-ids ${ids.join(' ')}`)
  works('vm show -g opt -n disk --query "length(storageProfile.dataDisks)"', (body) => expect(body).toBe(0))
})

suite('Disks for confidential virtual machines', () => {
  works(
    'disk create -g opt -n secure --upload-type UploadWithSecurityData --upload-size-bytes 20972032 ' +
      '--security-type ConfidentialVM_DiskEncryptedWithPlatformKey --hyper-v-generation V2 --os-type Linux',
  )
  refused(
    'disk create -g opt -n imported --source https://disks.blob.strongroom.internal/x/abcd --security-data-uri ' +
      'https://disks.blob.strongroom.internal/x/guest --security-type ConfidentialVM_DiskEncryptedWithPlatformKey ' +
      '--hyper-v-generation V2 --os-type Linux',
    'InvalidParameter',
  )
  refused('disk create -g opt -n zoned --size-gb 4 --zone 1', 'NotSupported')
  works('disk create -g opt -n zoned --size-gb 4 --sku Premium_LRS --tags a=b')
  refused('disk update -g opt -n zoned --size-gb 2', 'disks can only grow')
  works('snapshot create -g opt -n plain --source zoned --incremental false')
})

suite('The end', () => {
  works('group delete -n opt --yes')
})
