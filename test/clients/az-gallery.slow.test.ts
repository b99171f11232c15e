import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/** Galleries, snapshots, images and disks with the stock az, against an installation without guests. */
useShell('az-gallery', 'The Azure CLI: galleries, snapshots, images, disks')

const confidential =
  '--security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true --size Standard_DC2as_v5 --admin-username azureuser'
const image = '--image Strongroom:debian-13:cvm:latest'
const bare = '--public-ip-address "" --nsg ""'
const version = 'sig image-version create -g gal1 -r gal -i'
const vmId = '$SUB/resourceGroups/gal1/providers/Microsoft.Compute/virtualMachines/src'

suite('A VM to capture', () => {
  calls('A VM to capture', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az account show')
    expect(outcome.code, outcome.stderr).toBe(0)
  })
  works('group create -n gal1 -l westeurope')
  works(
    `vm create -g gal1 -n src ${image} ${confidential} --os-disk-security-encryption-type DiskWithVMGuestState --generate-ssh-keys ${bare}`,
  )
  refused('vm generalize -g gal1 -n src', 'OperationNotAllowed')
  works('vm deallocate -g gal1 -n src')
})

suite('Galleries and image definitions', () => {
  works('sig create -g gal1 -r gal -l westeurope --description ours', (body) =>
    expect(body.provisioningState).toBe('Succeeded'),
  )
  works('sig list -g gal1', (body) => expect(body).toHaveLength(1))
  works('sig show -g gal1 -r gal')
  works('sig update -g gal1 -r gal --set tags.a=b', (body) => expect(body.tags).toEqual({ a: 'b' }))
  for (const [name, state] of [
    ['general', 'Generalized'],
    ['special', 'Specialized'],
  ] as const)
    works(
      `sig image-definition create -g gal1 -r gal -i ${name} -p me -f app -s ${name} --os-type Linux --os-state ` +
        `${state} --hyper-v-generation V2 --features SecurityType=ConfidentialVM`,
      (body) => expect(body.features).toEqual([{ name: 'SecurityType', value: 'ConfidentialVM' }]),
    )
  works(
    'sig image-definition create -g gal1 -r gal -i open -p me -f app -s open --os-type Linux --os-state ' +
      'Generalized --hyper-v-generation V2 --features SecurityType=ConfidentialVmSupported',
  )
  works('sig image-definition list -g gal1 -r gal', (body) => expect(body).toHaveLength(3))
  works('sig image-definition show -g gal1 -r gal -i general')
  refused(
    'sig create -g gal1 -r pub -l westeurope --permissions Community --publisher-uri u --publisher-email a@b.c ' +
      '--eula e --public-name-prefix p',
    'NotOffered',
    { offered: false },
  )
})

suite('Image versions', () => {
  refused(`${version} general -e 1.0.0 --virtual-machine ${vmId}`, 'OperationNotAllowed')
  works(`${version} special -e 1.0.0 --virtual-machine ${vmId}`, (body) =>
    expect(body.provisioningState).toBe('Succeeded'),
  )
  works('vm generalize -g gal1 -n src')
  refused('vm start -g gal1 -n src', 'OperationNotAllowed')
  refused(
    `${version} general -e 1.0.0 --virtual-machine ${vmId} --target-regions westeurope ` +
      '--target-region-cvm-encryption EncryptedVMGuestStateOnlyWithPmk,',
    'Conflict',
  )
  refused(
    `${version} general -e 1.0.0 --virtual-machine ${vmId} --target-regions westeurope northeurope ` +
      '--target-region-cvm-encryption EncryptedWithPmk, EncryptedWithPmk,',
    'InvalidParameter',
  )
  works(
    `${version} general -e 1.0.0 --virtual-machine ${vmId} --target-regions westeurope --target-region-cvm-encryption EncryptedWithPmk,`,
  )
  refused(`${version} open -e 1.0.0 --virtual-machine ${vmId}`, 'Conflict')
  works('sig image-version list -g gal1 -r gal -i general', (body) => expect(body).toHaveLength(1))
  works('sig image-version show -g gal1 -r gal -i general -e 1.0.0 --expand ReplicationStatus')
  works('sig image-version update -g gal1 -r gal -i general -e 1.0.0 --set publishingProfile.excludeFromLatest=false')
  works(
    'vm create -g gal1 -n copy1 --image ' +
      '$SUB/resourceGroups/gal1/providers/Microsoft.Compute/galleries/gal/images/general/versions/1.0.0 ' +
      `${confidential} --os-disk-security-encryption-type DiskWithVMGuestState --generate-ssh-keys ${bare}`,
  )
  works(
    'vm create -g gal1 -n copy2 --image ' +
      `$SUB/resourceGroups/gal1/providers/Microsoft.Compute/galleries/gal/images/general ${confidential} ` +
      `--os-disk-security-encryption-type DiskWithVMGuestState --generate-ssh-keys ${bare}`,
  )
  works(
    'vm create -g gal1 -n twin --specialized --image ' +
      '$SUB/resourceGroups/gal1/providers/Microsoft.Compute/galleries/gal/images/special/versions/1.0.0 ' +
      '--security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true --size Standard_DC2as_v5 ' +
      `--os-disk-security-encryption-type DiskWithVMGuestState ${bare}`,
  )
})

suite('Snapshots, disks and managed images', () => {
  calls('Snapshots, disks and managed images', 'az snapshot create of an OS disk', async () => {
    const disk = (await shell.az('vm show -g gal1 -n src --query storageProfile.osDisk.managedDisk.id -o tsv')).stdout
    const made = await shell.az(`snapshot create -g gal1 -n snap --incremental true --source ${disk.trim()}`)
    expect(made.code, made.stderr).toBe(0)
    expect(made.body.securityProfile.securityType).toBe('ConfidentialVM_DiskEncryptedWithPlatformKey')
    note('az snapshot create -g gal1 -n snap --incremental true --source DISK', 'works')
  })
  works('snapshot list -g gal1', (body) => expect(body).toHaveLength(1))
  works('snapshot show -g gal1 -n snap')
  works('snapshot update -g gal1 -n snap --set tags.a=b')
  refused('snapshot grant-access -g gal1 -n snap --duration-in-seconds 60', 'NoDiskContent', { offered: false })
  works('snapshot revoke-access -g gal1 -n snap')
  works('disk create -g gal1 -n restored --source snap', (body) => expect(body.provisioningState).toBe('Succeeded'))
  works('disk create -g gal1 -n upload --upload-type Upload --upload-size-bytes 20972032', (body) =>
    expect(body.diskState).toBe('ReadyToUpload'),
  )
  works(
    'disk create -g gal1 -n ofimage --gallery-image-reference ' +
      '$SUB/resourceGroups/gal1/providers/Microsoft.Compute/galleries/gal/images/general/versions/1.0.0',
  )
  works(`disk create -g gal1 -n plain --security-type Standard --image-reference Strongroom:debian-13:cvm:latest`)
  refused('image create -g gal1 -n no --source src --hyper-v-generation V2', 'OperationNotAllowed')
  works('image create -g gal1 -n managed --source plain --os-type Linux --hyper-v-generation V2')
  works('image list -g gal1', (body) => expect(body).toHaveLength(1))
  works('image show -g gal1 -n managed')
  works(
    `${version} open -e 1.0.0 --managed-image $SUB/resourceGroups/gal1/providers/Microsoft.Compute/images/managed`,
    (body) => expect(body.provisioningState).toBe('Succeeded'),
  )
  works('image delete -g gal1 -n managed')
  works('disk create -g gal1 -n data --size-gb 4')
  works('snapshot create -g gal1 -n datasnap --source data')
  works(
    `vm create -g gal1 -n copy3 ${image} ${confidential} --os-disk-security-encryption-type DiskWithVMGuestState ` +
      `--generate-ssh-keys ${bare} --source-snapshots-or-disks ` +
      '$SUB/resourceGroups/gal1/providers/Microsoft.Compute/snapshots/datasnap --source-snapshots-or-disks-size-gb 4',
  )
  refused(
    `restore-point collection create -g gal1 --collection-name rpc --source-id ${vmId}`,
    'Copy the disks: az snapshot create --source DISK.',
  )
  refused('restore-point collection list -g gal1', 'Copy the disks: az snapshot create --source DISK.')
  works('disk delete -g gal1 -n restored --yes')
  works('snapshot delete -g gal1 -n snap')
})

suite('Deleting', () => {
  refused('sig delete -g gal1 -r gal', 'CannotDeleteResource')
  works('sig image-version delete -g gal1 -r gal -i general -e 1.0.0')
  works('sig image-definition delete -g gal1 -r gal -i general')
  works('group delete -n gal1 --yes')
})
