import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az-load-balancers', 'Load balancers (the stock Azure CLI)')

const account = '--admin-username azureuser --generate-ssh-keys'
const confidential =
  '--image Strongroom:debian-13:cvm:latest --security-type ConfidentialVM --os-disk-security-encryption-type ' +
  'DiskWithVMGuestState --enable-vtpm true --enable-secure-boot true --vm-sku Standard_DC2as_v5'
const named = (parts: { name: string }[]): string[] => parts.map(({ name }) => name)

suite('A scale set as in Azure’s tutorial', () => {
  calls('A scale set as in Azure’s tutorial', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az group create -n balanced -l westeurope')
    expect(outcome.code, outcome.stderr).toBe(0)
    note('az group create -n balanced -l westeurope', 'works')
  })
  works(
    `vmss create -g balanced -n web --orchestration-mode Flexible --instance-count 2 ${confidential} ${account}`,
    (body) => expect(body.VMSS.provisioningState).toBe('Succeeded'),
  )
  works('network lb show -g balanced -n webLB', (body) => {
    expect(named(body.frontendIPConfigurations)).toEqual(['loadBalancerFrontEnd'])
    expect(named(body.loadBalancingRules)).toEqual(['LBRule'])
    expect(body.inboundNatRules[0]).toMatchObject({ name: 'NatRule', frontendPortRangeStart: 50_000 })
    expect(body.backendAddressPools[0].backendIPConfigurations).toHaveLength(2)
  })
  works('vmss scale -g balanced -n web --new-capacity 3')
  works('network lb address-pool show -g balanced --lb-name webLB -n webLBBEPool', (body) =>
    expect(body.backendIPConfigurations).toHaveLength(3),
  )
  works('network lb probe create -g balanced --lb-name webLB -n up --protocol tcp --port 80', (body) =>
    expect(body).toMatchObject({ name: 'up', port: 80 }),
  )
  works(
    'network lb rule create -g balanced --lb-name webLB -n https --probe up --backend-pool-name webLBBEPool ' +
      '--frontend-ip loadBalancerFrontEnd --protocol tcp --frontend-port 443 --backend-port 443',
    (body) => expect(body.probe.id).toMatch(/\/probes\/up$/),
  )
  works('network lb rule list -g balanced --lb-name webLB', (body) => expect(named(body)).toEqual(['LBRule', 'https']))
  refused('network lb delete -g balanced -n webLB', 'LoadBalancerUseByVirtualMachineScaleSet')
  works('vmss delete -g balanced -n web')
  works('network lb delete -g balanced -n webLB')
})

suite('Load balancers by hand', () => {
  works('network public-ip create -g balanced -n front --sku Standard')
  works(
    'network lb create -g balanced -n lb --sku Standard --public-ip-address front --frontend-ip-name front --backend-pool-name pool',
    (body) => expect(named(body.loadBalancer.backendAddressPools)).toEqual(['pool']),
  )
  works('network lb list -g balanced', (body) => expect(named(body)).toEqual(['lb']))
  works('network lb address-pool create -g balanced --lb-name lb -n other', (body) => expect(body.name).toBe('other'))
  works(
    'network lb inbound-nat-rule create -g balanced --lb-name lb -n ssh --protocol tcp ' +
      '--frontend-port-range-start 50000 --frontend-port-range-end 50010 --backend-port 22 --backend-address-pool ' +
      'pool --frontend-ip-name front',
    (body) => expect(body).toMatchObject({ name: 'ssh', backendPort: 22 }),
  )
  works(
    'network lb outbound-rule create -g balanced --lb-name lb -n out --address-pool pool --frontend-ip-configs front --protocol All',
    (body) => expect(body.protocol).toBe('All'),
  )
  works(
    'network nic create -g balanced -n n --vnet-name webVNET --subnet webSubnet --lb-name lb --lb-address-pools pool',
  )
  works('network lb frontend-ip list -g balanced --lb-name lb', (body) => expect(named(body)).toEqual(['front']))
  refused('network lb delete -g balanced -n lb', 'InUseBackendAddressPoolCannotBeDeleted')
  refused(
    'network lb rule create -g balanced --lb-name lb -n ssh2 --backend-pool-name pool --frontend-ip front ' +
      '--protocol tcp --frontend-port 50005 --backend-port 22',
    'RulesUseSameFrontendPortProtocolAndVip',
  )
  works(
    'network nic ip-config address-pool remove -g balanced --nic-name n --ip-config-name ipconfig1 --lb-name lb --address-pool pool',
  )
  works('network lb delete -g balanced -n lb')
  works('group delete -n balanced --yes')
})
