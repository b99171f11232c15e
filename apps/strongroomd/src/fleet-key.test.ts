import { vaultAudience, type BootEvidence } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { TestFleet } from './testing/test-fleet.ts'

let fleet: TestFleet
let installation: TestInstallation
beforeAll(async () => {
  fleet = await TestFleet.start()
  installation = fleet.installation
  await fleet.join('a')
})
afterAll(async () => await fleet.close())

/** Created on first request, which is slow on a busy machine; later requests return the same boot's. */
async function evidenceOf(vm: string): Promise<BootEvidence> {
  for (;;) {
    try {
      return await installation.arm<BootEvidence>('POST', `${vm}/retrieveBootEvidence`)
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== 'PeerTimeout') throw error
    }
  }
}

function attestedEpoch({ runtimeClaims }: BootEvidence): unknown {
  const claims = JSON.parse(Buffer.from(runtimeClaims, 'base64url').toString()) as Record<
    string,
    Record<string, unknown>
  >
  return claims['vm-configuration']?.['placement-epoch']
}

describe('a VM that a fleet carries', () => {
  it('has its key released to boots of its present placement alone, which is in what is attested (attack W34)', async () => {
    const vm = await makeVm(installation, { name: 'vm', size: 'Standard_DC2as_v5' })
    const before = await evidenceOf(vm)
    const { epoch } = await fleet.placementOf(vm)
    expect(attestedEpoch(before)).toBe(epoch)
    await installation.run('POST', `${vm}/deallocate`)
    await installation.run('POST', `${vm}/start`)
    // What the earlier host still has: genuine evidence, an unexpired token, the platform's own rights.
    const token = await installation.running.context.tokens.token('orchestrator', vaultAudience)
    const url = `${before.release.keyId}/release?api-version=7.4`
    const body = { target: before.attestation.token }
    await expect(installation.wire.request({ method: 'POST', url, token, body })).rejects.toMatchObject({
      status: 403,
      code: 'Forbidden',
      reason: 'PlacementOver',
    })
    const after = await evidenceOf(vm)
    expect(attestedEpoch(after)).toBe((await fleet.placementOf(vm)).epoch)
    expect(attestedEpoch(after)).toBeGreaterThan(epoch)
  }, 600_000)
})
