import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az-restore-points', 'Restore points (the stock Azure CLI)')

const group = '$SUB/resourceGroups/rp'
const vm = (name: string): string => `${group}/providers/Microsoft.Compute/virtualMachines/${name}`
const common = '--generate-ssh-keys --admin-username azureuser --public-ip-address "" --nsg ""'

suite('Restore points', () => {
  calls(
    'Restore points',
    'a VM of TrustedLaunch and a confidential one are made',
    async () => {
      const made = await shell.shell('eval "$(strongroom env --login)" && az group create -n rp -l westeurope -o none')
      expect(made.code, made.stderr).toBe(0)
      const image = '--image Strongroom:debian-13:cvm:latest --enable-vtpm true --enable-secure-boot true'
      for (const line of [
        `vm create -g rp -n vm1 ${image} ${common} --security-type TrustedLaunch --size Standard_D2as_v5 --data-disk-sizes-gb 4 4`,
        `vm create -g rp -n cvm ${image} ${common} --security-type ConfidentialVM --size Standard_DC2as_v5 --os-disk-security-encryption-type VMGuestStateOnly`,
      ]) {
        const { code, stderr } = await shell.az(line)
        expect(code, stderr).toBe(0)
      }
    },
    120_000,
  )
  works(`restore-point collection create -g rp --collection-name rpc --source-id ${vm('vm1')} --tags a=b`, (body) =>
    expect([body.provisioningState, body.source.id]).toEqual([
      'Succeeded',
      vm('vm1').replace('$SUB', `/subscriptions/${shell.subscription}`),
    ]),
  )
  refused('restore-point create -g rp --collection-name rpc -n p0', 'OperationNotAllowed', { offered: false })
  works('vm deallocate -g rp -n vm1')
  works('restore-point create -g rp --collection-name rpc -n p1', (body) => {
    expect(body.provisioningState).toBe('Succeeded')
    expect(body.sourceMetadata.storageProfile.dataDisks).toHaveLength(2)
  })
  works(
    'restore-point create -g rp --collection-name rpc -n p2 --consistency-mode CrashConsistent --exclude-disks $(az vm show -g rp -n vm1 --query "storageProfile.dataDisks[].managedDisk.id" -o tsv)',
    (body) => expect([body.excludeDisks.length, body.sourceMetadata.storageProfile.dataDisks]).toEqual([2, []]),
  )
  works('restore-point show -g rp --collection-name rpc -n p1', (body) =>
    expect(body.consistencyMode).toBe('CrashConsistent'),
  )
  works('restore-point show -g rp --collection-name rpc -n p1 --instance-view', (body) =>
    expect(body.instanceView.diskRestorePoints).toHaveLength(3),
  )
  works('restore-point wait -g rp --collection-name rpc -n p1 --created')
  works(
    'disk create -g rp -n back --source $(az restore-point show -g rp --collection-name rpc -n p1 --query sourceMetadata.storageProfile.osDisk.diskRestorePoint.id -o tsv)',
    (body) =>
      expect([body.creationData.createOption, body.osType, body.provisioningState]).toEqual([
        'Restore',
        'Linux',
        'Succeeded',
      ]),
  )
  works(
    `vm create -g rp -n vm2 --image Strongroom:debian-13:cvm:latest --security-type TrustedLaunch --enable-vtpm true --enable-secure-boot true --size Standard_D2as_v5 ${common} --source-disk-restore-point $(az restore-point show -g rp --collection-name rpc -n p1 --query "sourceMetadata.storageProfile.dataDisks[].diskRestorePoint.id" -o tsv) --source-disk-restore-point-size-gb 4 4`,
  )
  works('vm show -g rp -n vm2 --query "storageProfile.dataDisks[].[lun, createOption, diskSizeGb]"', (body) =>
    expect(body).toEqual([
      [0, 'Restore', 4],
      [1, 'Restore', 4],
    ]),
  )
  works('disk list -g rp --query "[?managedBy && contains(managedBy, \'/vm2\') && !osType].[creationData.createOption, provisioningState, diskState]"', (body) => expect(body).toEqual(Array(2).fill(['Restore', 'Succeeded', 'Attached']))) // prettier-ignore
  works('snapshot create -g rp -n snap --source $(az vm show -g rp -n vm1 --query "storageProfile.dataDisks[0].managedDisk.id" -o tsv)') // prettier-ignore
  works(`vm create -g rp -n vm3 --image Strongroom:debian-13:cvm:latest --security-type TrustedLaunch --enable-vtpm true --enable-secure-boot true --size Standard_D2as_v5 ${common} --source-snapshots-or-disks $SUB/resourceGroups/rp/providers/Microsoft.Compute/snapshots/snap --source-snapshots-or-disks-size-gb 4`) // prettier-ignore
  refused(`vm create -g rp -n vm4 --image Strongroom:debian-13:cvm:latest --security-type TrustedLaunch --enable-vtpm true --enable-secure-boot true --size Standard_D2as_v5 ${common} --source-disk-restore-point $(az restore-point show -g rp --collection-name rpc -n p1 --query "sourceMetadata.storageProfile.osDisk.diskRestorePoint.id" -o tsv) --source-disk-restore-point-size-gb 4`, 'A data disk cannot be created from an OS disk') // prettier-ignore
  works('restore-point collection show -g rp --collection-name rpc --restore-points', (body) =>
    expect(body.restorePoints.map(({ name }: { name: string }) => name)).toEqual(['p1', 'p2']),
  )
  works('restore-point collection update -g rp --collection-name rpc --tags c=d', (body) =>
    expect(body.tags).toEqual({ c: 'd' }),
  )
  works('restore-point collection list -g rp --query "[].name"', (body) => expect(body).toEqual(['rpc']))
  works('restore-point collection list-all --query "[].name"', (body) => expect(body).toEqual(['rpc']))
  works(`restore-point collection create -g rp --collection-name secret --source-id ${vm('cvm')}`)
  refused('restore-point create -g rp --collection-name secret -n p1', 'does not support creation of Restore Points')
  works('restore-point delete -g rp --collection-name rpc -n p2 --yes')
  works('vm delete -g rp -n vm1 --yes')
  works('restore-point collection delete -g rp --collection-name rpc --yes')
  works('restore-point collection list -g rp --query "[].name"', (body) => expect(body).toEqual(['secret']))
  calls('Restore points', 'their group goes with them', async () => {
    const { code, stderr } = await shell.az('group delete -n rp --yes')
    expect(code, stderr).toBe(0)
    note('az group delete -n rp --yes', 'works')
  })
})
