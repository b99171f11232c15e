import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az-scale-sets', 'Virtual machine scale sets (the stock Azure CLI)')

const confidential =
  '--image Strongroom:debian-13:cvm:latest --security-type ConfidentialVM --os-disk-security-encryption-type ' +
  'DiskWithVMGuestState --enable-vtpm true --enable-secure-boot true --vm-sku Standard_DC2as_v5'
const account = '--admin-username azureuser --generate-ssh-keys'
const first = '$(az vmss list-instances -g sets -n web --query "[0].instanceId" -o tsv)'

suite('Scale sets of flexible orchestration', () => {
  calls('Scale sets of flexible orchestration', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az group create -n sets -l westeurope')
    expect(outcome.code, outcome.stderr).toBe(0)
    note('az group create -n sets -l westeurope', 'works')
  })
  works(
    `vmss create -g sets -n web --orchestration-mode Flexible --instance-count 2 ${confidential} ${account} --load-balancer ""`,
    (body) => expect(body.VMSS).toMatchObject({ orchestrationMode: 'Flexible', provisioningState: 'Succeeded' }),
  )
  works('vmss show -g sets -n web', (body) => {
    expect(body.sku).toMatchObject({ name: 'Standard_DC2as_v5', capacity: 2 })
    expect(body.virtualMachineProfile.securityProfile.securityType).toBe('ConfidentialVM')
  })
  works('vmss list -g sets --query "[].name"', (body) => expect(body).toEqual(['web']))
  works('vmss list --query "[].name"', (body) => expect(body).toEqual(['web']))
  works('vmss list-instances -g sets -n web', (body) => {
    expect(body).toHaveLength(2)
    for (const each of body) expect(each.name).toMatch(/^web_[0-9a-f]{8}$/)
  })
  works('vm list -g sets --vmss web --query "[].name"', (body) => expect(body).toHaveLength(2))
  works('vm list -g sets -d --query "[].powerState"', (body) => expect(body).toEqual(['VM running', 'VM running']))
  works('vmss scale -g sets -n web --new-capacity 3', (body) => expect(body.sku.capacity).toBe(3))
  works('vmss scale -g sets -n web --new-capacity 1', (body) => expect(body.sku.capacity).toBe(1))
  works('vmss get-instance-view -g sets -n web', (body) =>
    expect(body.virtualMachine.statusesSummary).toContainEqual({ code: 'PowerState/running', count: 1 }),
  )
  works('vmss list-skus -g sets -n web --query "[].sku.name"', (body) => expect(body).toEqual(['Standard_DC2as_v5']))
  works('vmss stop -g sets -n web')
  works('vmss start -g sets -n web')
  works('vmss restart -g sets -n web')
  works('vmss deallocate -g sets -n web')
  works(`vmss start -g sets -n web --instance-ids ${first}`)
  works(`vmss deallocate -g sets -n web --instance-ids ${first}`)
  works(`vmss get-instance-view -g sets -n web --instance-id ${first}`, (body) =>
    expect(body.statuses[1].code).toBe('PowerState/deallocated'),
  )
  works('vmss update -g sets -n web --set tags.a=b', (body) => expect(body.tags.a).toBe('b'))
  works('vmss wait -g sets -n web --created')
  works('identity create -g sets -n uai')
  works('vmss identity assign -g sets -n web --identities uai')
  works('vmss identity show -g sets -n web', (body) =>
    expect(Object.keys(body.userAssignedIdentities as object)).toHaveLength(1),
  )
  works(`vmss delete-instances -g sets -n web --instance-ids ${first}`)
  works('vmss show -g sets -n web --query sku.capacity', (body) => expect(body).toBe(0))
  works('vmss scale -g sets -n web --new-capacity 1')
  works('vmss delete -g sets -n web')
  works('vm list -g sets', (body) => expect(body).toEqual([]))
})

suite('Virtual machines in a scale set', () => {
  works('vmss create -g sets -n bare --orchestration-mode Flexible --platform-fault-domain-count 1')
  works(
    `vm create -g sets -n mine ${confidential.replace('--vm-sku', '--size')} ${account} --vmss bare --public-ip-address "" --nsg ""`,
  )
  works('vm show -g sets -n mine --query virtualMachineScaleSet.id', (body) => expect(body).toMatch(/\/bare$/))
  works('vmss list-instances -g sets -n bare --query "[].instanceId"', (body) => expect(body).toEqual(['mine']))
  works('vmss delete -g sets -n bare')
})

suite('What is refused of a scale set', () => {
  refused(
    `vmss create -g sets -n uni --orchestration-mode Uniform ${confidential} ${account} --load-balancer "" --upgrade-policy-mode manual`,
    'Uniform orchestration mode are not supported',
    { offered: false },
  )
  refused(
    `vmss create -g sets -n big --orchestration-mode Flexible --instance-count 900 ${confidential} ${account} --load-balancer ""`,
    'Cores quota',
  )
  refused(
    `vmss create -g sets -n small --orchestration-mode Flexible ${confidential.replace('DC2as', 'D2as')} ${account} --load-balancer ""`,
    'is not supported for creation of VMs and Virtual Machine Scale Set',
  )
})
