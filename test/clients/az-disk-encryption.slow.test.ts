import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

/**
 * Customers' keys with the commands of Azure's guide: vault or HSM, key, set, rights of set and orchestrator, VM. Uses
 * the driver without guests; test/system/customer-key.long.test.ts boots.
 */
useShell('az-disk-encryption', "Disk-encryption sets, `az` of Debian's azure-cli 2.74")

const orchestrator = 'bf7b6499-ff71-4aa2-97a4-f372087be7f0'
const type = 'ConfidentialVmEncryptedWithCustomerKey'
const kept: Record<string, string> = {}

/** A command that depends on earlier answers. */
function then(line: string, make: () => string, look: (body: never) => void = () => {}): void {
  calls(chapter, `az ${line}`, async () => {
    const outcome = await shell.az(make())
    expect(outcome.code, outcome.stderr).toBe(0)
    look(outcome.body as never)
    note(`az ${line}`, 'works')
  })
}

function thenRefused(line: string, code: string, make: () => string): void {
  calls(chapter, `az ${line} is refused: ${code}`, async () => {
    const outcome = await shell.az(make())
    expect(outcome.code, outcome.stdout).not.toBe(0)
    expect(outcome.stderr).toContain(code)
    note(`az ${line}`, `refused: ${code}`)
  })
}

let chapter = ''
const within = (name: string, define: () => void): void => {
  suite(name, () => {
    chapter = name
    define()
  })
}

interface Set {
  id: string
  identity: { principalId: string }
  properties?: never
  activeKey: { keyUrl: string }
  provisioningState: string
}

within('A key of a vault', () => {
  calls('A key of a vault', 'signs in', async () => {
    const outcome = await shell.shell('eval "$(strongroom env --login)"')
    expect(outcome.code, outcome.stderr).toBe(0)
  })
  works('group create -n rg -l westeurope')
  works(
    'keyvault create -n desbox -g rg --sku premium --enable-purge-protection true --enabled-for-disk-encryption ' +
      'true --enable-rbac-authorization false',
  )
  works(
    'keyvault key create --vault-name desbox -n disk --kty RSA-HSM --exportable true --default-cvm-policy',
    (key) => {
      kept['key'] = key.key.kid
    },
  )
  works(`ad sp show --id ${orchestrator}`, (principal) => {
    kept['orchestrator'] = principal.id
  })
  then(
    'keyvault set-policy -n desbox --object-id ORCHESTRATOR --key-permissions get release',
    () => `keyvault set-policy -n desbox --object-id ${kept['orchestrator']} --key-permissions get release`,
  )
})

within('Disk-encryption sets', () => {
  thenRefused(
    'disk-encryption-set create -n set -g rg --key-url KEY',
    'BadRequest',
    () => `disk-encryption-set create -n set -g rg --key-url ${kept['key']}`,
  )
  then(
    `disk-encryption-set create -n set -g rg --key-url KEY --source-vault desbox --encryption-type ${type}`,
    () =>
      `disk-encryption-set create -n set -g rg --key-url ${kept['key']} --source-vault desbox --encryption-type ${type}`,
    (set: Set) => {
      expect(set).toMatchObject({ encryptionType: type, provisioningState: 'Succeeded' })
      kept['set'] = set.id
      kept['principal'] = set.identity.principalId
    },
  )
  works('disk-encryption-set show -n set -g rg', (set) => expect(set.activeKey.keyUrl).toBe(kept['key']))
  works('disk-encryption-set list -g rg', (sets) => expect(sets).toHaveLength(1))
  works('disk-encryption-set list', (sets) => expect(sets).toHaveLength(1))
  works('disk-encryption-set identity show -n set -g rg', ({ principalId }) =>
    expect(principalId).toBe(kept['principal']),
  )
  refused('disk-encryption-set update -n set -g rg --enable-auto-key-rotation true', 'InvalidParameter')
  works('disk-encryption-set list-associated-resources -n set -g rg', (found) => expect(found).toEqual([]))
})

const vm =
  'vm create -g rg -n vm1 --image Strongroom:debian-13:cvm:latest --size Standard_DC2as_v5 --security-type ' +
  'ConfidentialVM --enable-vtpm true --enable-secure-boot true --os-disk-security-encryption-type ' +
  'DiskWithVMGuestState --os-disk-secure-vm-disk-encryption-set SET --admin-username azureuser --generate-ssh-keys'
const withSet = (line: string): string => line.replace('SET', kept['set'] ?? '')

within('A confidential VM under the key', () => {
  thenRefused(vm, 'KeyVaultAccessForbidden', () => withSet(vm))
  then(
    'keyvault set-policy -n desbox --object-id PRINCIPAL --key-permissions get wrapKey unwrapKey',
    () => `keyvault set-policy -n desbox --object-id ${kept['principal']} --key-permissions get wrapKey unwrapKey`,
  )
  then(vm, () => withSet(vm))
  works('vm show -g rg -n vm1', ({ storageProfile }) =>
    expect(storageProfile.osDisk.managedDisk.securityProfile).toEqual({
      diskEncryptionSet: { id: kept['set'], resourceGroup: 'rg' },
      securityEncryptionType: 'DiskWithVMGuestState',
    }),
  )
  works('disk list -g rg', ([disk]) =>
    expect(disk.securityProfile).toEqual({
      secureVMDiskEncryptionSetId: kept['set'],
      securityType: 'ConfidentialVM_DiskEncryptedWithCustomerKey',
    }),
  )
  works('disk-encryption-set list-associated-resources -n set -g rg', (found) => expect(found).toHaveLength(1))
  refused('disk-encryption-set delete -n set -g rg', 'OperationNotAllowed')
  works('keyvault key set-attributes --vault-name desbox -n disk --enabled false')
  refused('vm restart -g rg -n vm1', 'KeyVaultKeyNotEnabled')
  works('vm deallocate -g rg -n vm1')
  refused('vm start -g rg -n vm1', 'KeyVaultKeyNotEnabled')
  works('keyvault key set-attributes --vault-name desbox -n disk --enabled true')
  works('vm start -g rg -n vm1')
})

within('Rotation', () => {
  works(
    'keyvault key create --vault-name desbox -n disk --kty RSA-HSM --exportable true --default-cvm-policy',
    (key) => {
      kept['next'] = key.key.kid
    },
  )
  const line = (): string => `disk-encryption-set update -n set -g rg --key-url ${kept['next']} --source-vault desbox`
  thenRefused(
    'disk-encryption-set update -n set -g rg --key-url NEXT --source-vault desbox',
    'OperationNotAllowed',
    line,
  )
  works('vm deallocate -g rg -n vm1')
  then('disk-encryption-set update -n set -g rg --key-url NEXT --source-vault desbox', line, (set: Set) => {
    expect(set).toMatchObject({ provisioningState: 'Succeeded', previousKeys: [] })
    expect(set.activeKey.keyUrl).toBe(kept['next'])
  })
  then(
    'keyvault key set-attributes --id KEY --enabled false',
    () => `keyvault key set-attributes --id ${kept['key']} --enabled false`,
  )
  works('vm start -g rg -n vm1')
})

within('User-assigned identities', () => {
  works('identity create -g rg -n ana', ({ id, principalId }) => {
    kept['ana'] = id
    kept['anaPrincipal'] = principalId
  })
  works('identity list -g rg', (found) => expect(found).toHaveLength(1))
  const set = `disk-encryption-set create -n set2 -g rg --key-url NEXT --encryption-type ${type} --mi-user-assigned ANA`
  const line = (): string => set.replace('NEXT', kept['next'] ?? '').replace('ANA', kept['ana'] ?? '')
  thenRefused(set, 'KeyVaultAccessForbidden', line)
  then(
    'keyvault set-policy -n desbox --object-id ANA --key-permissions get wrapKey unwrapKey',
    () => `keyvault set-policy -n desbox --object-id ${kept['anaPrincipal']} --key-permissions get wrapKey unwrapKey`,
  )
  then(set, line, ({ identity }: { identity: { type: string } }) => expect(identity.type).toBe('UserAssigned'))
  works('disk-encryption-set identity assign -n set2 -g rg --system-assigned')
})

within('End', () => {
  works('vm delete -g rg -n vm1 --yes')
  works('disk-encryption-set delete -n set -g rg')
  works('disk-encryption-set delete -n set2 -g rg')
  works('identity delete -g rg -n ana')
})
