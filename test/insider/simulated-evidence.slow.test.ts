import { join } from 'node:path'
import { readdir } from 'node:fs/promises'
import type { BootEvidence, RetrievedEvidence } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyBoot, type TrustReport } from '../../apps/cli/src/trust/report.ts'
import { startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'
import { defaultAsked, rootPaths } from '../system/support/vm.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation()
})
afterAll(async () => await installation.close())

const evidenceOf = async (path: string): Promise<BootEvidence> =>
  await installation.arm<BootEvidence>('POST', `${path}/retrieveBootEvidence`)

async function trustOf(retrieved: BootEvidence): Promise<TrustReport> {
  const { asked, ...evidence } = retrieved as RetrievedEvidence
  const { stateDir } = installation.running.context
  return await verifyBoot({
    name: 'vm',
    evidence,
    ...defaultAsked,
    encryption: 'DiskWithVMGuestState',
    size: retrieved.tee === 'SNP' ? 'Standard_DC2as_v5' : 'Standard_DC2es_v5',
    paths: rootPaths(stateDir),
    at: new Date(),
    settings: asked && { by: 'resource manager', asked },
    fetchKeySet: async (issuer) => (await installation.wire.request({ method: 'GET', url: `${issuer}/certs` })).body,
  })
}

const outcomes = (report: TrustReport): Record<string, string> =>
  Object.fromEntries(report.links.map((link) => [link.id, link.outcome]))

describe('evidence of a VM without a guest', () => {
  it.each(['Standard_DC2as_v5', 'Standard_DC2es_v5'])(
    'of %s holds link by link, up to the disk that there is not, and says that no guest ran',
    async (size) => {
      const path = await makeVm(installation, { name: size.includes('as') ? 'snp' : 'tdx', size })
      const evidence = await evidenceOf(path)
      expect(evidence.guestRan).toBe(false)
      const report = await trustOf(evidence)
      const wrong = report.links.filter((link) => link.outcome !== 'verified')
      expect(wrong.map(({ id, outcome, why }) => [id, outcome, why])).toEqual([
        ['disk', 'not checked', 'No guest ran, so there is no disk to unlock.'],
        ['ssh-host-key', 'not checked', 'No guest ran, so there is no SSH host key.'],
      ])
      expect([report.trusted, report.guestRan, report.guestAsked]).toEqual([false, false, false])
      expect(report.links.length).toBe(14)
      // A boot is attested once: repeated requests return the same.
      expect((await evidenceOf(path)).measuredBoot?.nonce).toBe(evidence.measuredBoot?.nonce)
    },
    120_000,
  )

  it('keeps the vTPM over boots, counts the guest state up, and shows what was changed', async () => {
    const path = await makeVm(installation, { name: 'kept', size: 'Standard_DC2as_v5' })
    const first = await evidenceOf(path)
    await installation.run('POST', `${path}/restart`)
    const second = await evidenceOf(path)
    expect(second.vtpm.akPublic).toBe(first.vtpm.akPublic)
    expect(second.guestState.generation).toBeGreaterThan(first.guestState.generation)
    expect(second.bootId).not.toBe(first.bootId)
    expect(outcomes(await trustOf(second))['measured-boot']).toBe('verified')
    // A register that differs from the quoted one.
    const forged = structuredClone(second)
    forged.measuredBoot!.pcrs['4'] = '00'.repeat(32)
    expect(outcomes(await trustOf(forged))['measured-boot']).toBe('refused')
    // Nor does omitting this make a report without a guest trusted.
    const { guestRan: _, ...claiming } = second
    expect((await trustOf(claiming)).trusted).toBe(false)
  })

  it('leaves nothing behind: no process, no clear file, and after deletion no guest state', async () => {
    const path = await makeVm(installation, { name: 'gone', size: 'Standard_DC2as_v5' })
    const { vmId } = await evidenceOf(path)
    const machines = join(installation.running.context.stateDir, 'machines')
    expect(await readdir(join(machines, vmId))).toEqual(['guest-state.vmgs'])
    expect((await readdir('/dev/shm')).filter((name) => name.includes(vmId.toLowerCase()))).toEqual([])
    await installation.run('DELETE', path)
    expect(await readdir(machines)).not.toContain(vmId)
  })
})
