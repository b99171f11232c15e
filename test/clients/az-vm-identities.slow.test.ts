import { join } from 'node:path'
import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/** VM identities, network interfaces and passwords with the stock az, against an installation without guests. */
useShell('az-vm-identities', 'The Azure CLI: identities, network interfaces and passwords of VMs')

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
type Loose = any

const confidential =
  '--image Strongroom:debian-13:cvm:latest --security-type ConfidentialVM --enable-vtpm true --enable-secure-boot ' +
  'true --size Standard_DC2as_v5 --os-disk-security-encryption-type DiskWithVMGuestState'
const bare = '--public-ip-address "" --nsg ""'
const identity = (name: string): string =>
  `$SUB/resourceGroups/idn/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
const names = (body: { userAssignedIdentities?: object | null }): string[] =>
  Object.keys(body.userAssignedIdentities ?? {}).map((id) => id.split('/').at(-1) ?? '')

suite('Identities of a VM', () => {
  calls('Identities of a VM', 'eval "$(strongroom env --login)"', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)" && az account show')
    expect(outcome.code, outcome.stderr).toBe(0)
  })
  works('group create -n idn -l westeurope')
  for (const name of ['ana', 'ben']) works(`identity create -g idn -n ${name}`)
  works(
    `vm create -g idn -n vm1 ${confidential} --admin-username azureuser --generate-ssh-keys ${bare} --assign-identity ${identity('ana')}`,
  )
  works('vm identity show -g idn -n vm1', (body) => {
    expect([body.type, names(body as never)]).toEqual(['UserAssigned', ['ana']])
  })
  works('vm identity assign -g idn -n vm1 --identities [system] ben', (body) =>
    expect(body.systemAssignedIdentity).toMatch(/^[0-9a-f-]{36}$/),
  )
  works('vm identity show -g idn -n vm1', (body) => {
    expect([body.type, names(body as never).toSorted()]).toEqual(['SystemAssigned, UserAssigned', ['ana', 'ben']])
  })
  works('vm update -g idn -n vm1 --set tags.a=b')
  works(`vm identity remove -g idn -n vm1 --identities ${identity('ana')}`)
  works('vm identity remove -g idn -n vm1')
  works('vm identity show -g idn -n vm1', (body) => {
    expect([body.type, names(body as never)]).toEqual(['UserAssigned', ['ben']])
  })
  refused(`vm identity assign -g idn -n vm1 --identities ${identity('nobody')}`, 'FailedIdentityOperation')
  works('vm identity remove -g idn -n vm1 --identities ben')
  works('vm show -g idn -n vm1 --query identity', (body) => expect(body ?? null).toBeNull())
})

suite('Tokens of another issuer for an identity', () => {
  const of = '-g idn --identity-name fed'
  const issuer = 'https://token.actions.example'
  works('identity create -g idn -n fed')
  works(
    `identity federated-credential create ${of} -n actions --issuer ${issuer} --subject ` +
      'repo:me/it:ref:refs/heads/main --audiences api://AzureADTokenExchange',
    (body) => expect(body).toMatchObject({ issuer, audiences: ['api://AzureADTokenExchange'] }),
  )
  refused(
    `identity federated-credential create ${of} -n again --issuer ${issuer} --subject repo:me/it:ref:refs/heads/main --audiences a`,
    'Conflict',
    { offered: true },
  )
  works(`identity federated-credential update ${of} -n actions --subject repo:me/it:pull_request`)
  works(`identity federated-credential show ${of} -n actions --query subject`, (body) =>
    expect(body).toBe('repo:me/it:pull_request'),
  )
  calls('Tokens of another issuer for an identity', 'az login as the identity', async () => {
    const own = `https://login.strongroom.internal/${shell.tenant}/v2.0`
    const token = (await shell.az('account get-access-token --resource api://AzureADTokenExchange')).body
      .accessToken as string
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }
    const made = await shell.az(
      `identity federated-credential create ${of} -n own --issuer ${own} --subject ${sub} --audiences api://AzureADTokenExchange`,
    )
    expect(made.code, made.stderr).toBe(0)
    const { clientId, principalId } = (await shell.az('identity show -g idn -n fed')).body as Loose
    const role = await shell.az(
      `role assignment create --assignee-object-id ${principalId} --assignee-principal-type ServicePrincipal ` +
        '--role Reader --scope $SUB/resourceGroups/idn',
    )
    expect(role.code, role.stderr).toBe(0)
    const as = { AZURE_CONFIG_DIR: join(shell.installation.home, 'fed') }
    const cloud =
      'az cloud register -n Strongroom --endpoint-resource-manager https://management.strongroom.internal && az cloud set -n Strongroom'
    expect((await shell.shell(cloud, as)).code).toBe(0)
    const login = `login --service-principal -u ${clientId} --federated-token ${token} --tenant ${shell.tenant}`
    const signedIn = await shell.az(login, as)
    expect(signedIn.code, signedIn.stderr).toBe(0)
    expect((await shell.az('identity show -g idn -n fed --query clientId', as)).body).toBe(clientId)
    expect((await shell.az('identity delete -g idn -n fed', as)).stderr).toContain('AuthorizationFailed')
    note('az login --service-principal -u CLIENT_ID_OF_IDENTITY --federated-token TOKEN --tenant TENANT', 'works')
  })
  works(`identity federated-credential delete ${of} -n own --yes`)
  works(`identity federated-credential list ${of} --query "[].name"`, (body) => expect(body).toEqual(['actions']))
})

suite('Several network interfaces', () => {
  works(
    'network vnet create -g idn -n net --address-prefixes 10.7.0.0/16 --subnet-name front --subnet-prefixes 10.7.0.0/24',
  )
  works('network vnet subnet create -g idn --vnet-name net -n back --address-prefixes 10.7.1.0/24')
  works('network nic create -g idn -n n1 --vnet-name net --subnet front')
  for (const name of ['n2', 'n3']) works(`network nic create -g idn -n ${name} --vnet-name net --subnet back`)
  refused(
    `vm create -g idn -n vm2 ${confidential} --admin-username azureuser --generate-ssh-keys --nics n1 n2 n3`,
    'NetworkInterfaceCountExceeded',
  )
  works(`vm create -g idn -n vm2 ${confidential} --admin-username azureuser --generate-ssh-keys --nics n1 n2`)
  works('vm nic list -g idn --vm-name vm2', (body) => expect(body).toHaveLength(2))
  works('vm nic show -g idn --vm-name vm2 --nic n2', (body) => expect(body.primary).toBe(false))
  works('vm list-ip-addresses -g idn -n vm2', (body) =>
    expect(
      (body as Loose[]).flatMap((each) => each.virtualMachine.network.privateIpAddresses as string[]).toSorted(),
    ).toEqual(['10.7.0.4', '10.7.1.4']),
  )
  refused(
    'vm nic remove -g idn --vm-name vm2 --nics n2',
    'AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported',
  )
  refused('network nic delete -g idn -n n2', 'NicInUse')
  works('vm deallocate -g idn -n vm2')
  works('vm nic remove -g idn --vm-name vm2 --nics n2', (body) => expect(body).toHaveLength(1))
  works('vm nic add -g idn --vm-name vm2 --nics n3', (body) => expect(body).toHaveLength(2))
  refused('vm nic add -g idn --vm-name vm2 --nics n2', 'NetworkInterfaceCountExceeded')
  works('vm nic set -g idn --vm-name vm2 --nics n1 n3 --primary-nic n3', (body) =>
    expect((body as { primary: boolean }[]).map(({ primary }) => primary)).toEqual([false, true]),
  )
  works('vm start -g idn -n vm2')
  works('network nic delete -g idn -n n2')
})

suite('Passwords', () => {
  refused(
    `vm create -g idn -n vm3 ${confidential} --admin-username azureuser --admin-password password1234 ${bare}`,
    'Password must have the 3 of the following',
  )
  works(
    `vm create -g idn -n vm3 ${confidential} --admin-username azureuser --admin-password Correct-horse-9 ` +
      `--authentication-type password ${bare}`,
    undefined,
    {
      as:
        `vm create -g idn -n vm3 ${confidential} --admin-username azureuser --admin-password PASSWORD ` +
        `--authentication-type password ${bare}`,
    },
  )
  works('vm show -g idn -n vm3 --query osProfile.linuxConfiguration.disablePasswordAuthentication', (body) =>
    expect(body).toBe(false),
  )
  works('vm update -g idn -n vm3 --set tags.a=b')
  refused(
    'vm update -g idn -n vm3 --set osProfile.adminPassword=Another-horse-9',
    "Changing property 'osProfile.adminPassword' is not allowed",
  )
})
