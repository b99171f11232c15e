import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { homeRegion, sharedAttestationHost, vaultAudience, vaultHost } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../../../apps/cli/src/client/arm.ts'
import { connect } from '../../../apps/cli/src/client/connection.ts'
import { expectSuccess } from '../../../apps/cli/src/client/https.ts'
import { vmPath } from '../../../apps/cli/src/up/vm-request.ts'
import type { TestInstallation } from './installation.ts'

const root = resolve(import.meta.dirname, '../../..')
const group = 'strongroom'

export const provider: string = `https://${sharedAttestationHost(homeRegion.code)}`

/** Copies docs/guides/examples/data-disk and attest-guest into /root of a guest, unchanged. */
export async function layPrograms(installation: TestInstallation, vm: string): Promise<void> {
  for (const path of ['docs/guides/examples/data-disk', 'test/insider/attest-guest']) {
    const content = await readFile(resolve(root, path), 'base64')
    await installation.asRoot(vm, `base64 -d >/root/${path.split('/').at(-1)} <<<${content}`)
  }
}

/**
 * What docs/guides/disks.md makes its reader set up first: an identity for the VM, and a vault with an exportable key
 * that is released to this VM only. @returns the key's address, without version
 */
export async function makeKey(installation: TestInstallation, o: { vm: string; vault: string }): Promise<string> {
  const connection = await connect(installation.stateDir)
  const arm = new ArmClient(connection)
  await arm.run('PATCH', vmPath(arm, group, o.vm), apiVersions.compute, { identity: { type: 'SystemAssigned' } })
  const vm = await arm.get<{ identity: { principalId: string }; properties: { vmId: string } }>(
    vmPath(arm, group, o.vm),
    apiVersions.compute,
  )
  const token = await connection.ownerToken(vaultAudience)
  const { oid } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { oid: string }
  const { tenantId } = connection.server
  const access = (objectId: string, keys: string[]): object => ({ tenantId, objectId, permissions: { keys } })
  await arm.run(
    'PUT',
    `${arm.subscription}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${o.vault}`,
    '2023-07-01',
    {
      location: arm.region,
      properties: {
        tenantId,
        sku: { family: 'A', name: 'premium' },
        enableRbacAuthorization: false,
        accessPolicies: [access(oid, ['create', 'get']), access(vm.identity.principalId, ['release'])],
      },
    },
  )
  const policy = {
    version: '1.0.0',
    anyOf: [
      {
        authority: provider,
        allOf: [
          { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' },
          { claim: 'x-ms-azurevm-vmid', equals: vm.properties.vmId.toUpperCase() },
          { claim: 'secureboot', equals: true },
        ],
      },
    ],
  }
  const key = `https://${vaultHost(o.vault)}/keys/data`
  const body = {
    kty: 'RSA-HSM',
    key_size: 2048,
    attributes: { exportable: true },
    release_policy: { data: Buffer.from(JSON.stringify(policy)).toString('base64url') },
  }
  expectSuccess(await connection.https.request({ method: 'POST', url: `${key}/create?api-version=7.4`, token, body }))
  connection.https.close()
  return key
}
