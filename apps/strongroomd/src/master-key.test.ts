import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KeyClient } from '@azure/keyvault-keys'
import type { BootEvidence } from '@strongroom/contract'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'

const program = resolve(import.meta.dirname, 'master-key.ts')
const cryptoOfficer = '14b46e9e-c2b7-41b4-b07b-48a6ebf60603'

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation()
})
afterAll(() => installation?.close())

describe('rotation of the master key', () => {
  it('happens under a server that goes on making and using keys, and booting its VMs (attack Q2)', async () => {
    const { subscription, tenantId, owner, clientOptions, running } = installation
    const arm = (path: string, body: unknown): Promise<unknown> => installation.arm('PUT', path, body)
    const group = `${subscription}/resourceGroups/rg`
    await arm(group, { location: 'westeurope' })
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/rotating`
    await arm(vault, {
      location: 'westeurope',
      properties: { tenantId, sku: { family: 'A', name: 'premium' }, enableRbacAuthorization: true },
    })
    await arm(`${vault}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: {
        principalId: await objectIdOf(owner),
        roleDefinitionId: `/x/${cryptoOfficer}`,
        principalType: 'ServicePrincipal',
      },
    })
    const keys = new KeyClient('https://rotating.vault.strongroom.internal', owner, clientOptions)
    const before = await keys.createKey('k', 'RSA')
    const vm = await makeVm(installation, { name: 'live', size: 'Standard_DC2as_v5' })
    const evidenceOf = (): Promise<BootEvidence> => installation.arm('POST', `${vm}/retrieveBootEvidence`)
    const booted = await evidenceOf()

    const { stateDir } = running.context
    const rotate = ['--state-dir', stateDir, 'rotate', '--to', 'file', '--file', join(stateDir, '../new-master-key')]
    const args = ['--conditions=x-source', '--disable-warning=ExperimentalWarning', program, ...rotate]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    expect(JSON.parse(stdout)).toMatchObject({
      result: { kind: 'file', path: expect.stringContaining('new-master-key') },
    })

    expect((await keys.getKey('k')).properties.version).toBe(before.properties.version)
    expect((await keys.createKey('k', 'RSA')).properties.version).not.toBe(before.properties.version)
    // The VM that ran meanwhile restarts with its earlier vTPM.
    await installation.run('POST', `${vm}/restart`)
    const again = await evidenceOf()
    expect([again.bootId === booted.bootId, again.vtpm.akPublic]).toEqual([false, booted.vtpm.akPublic])
  })
})
