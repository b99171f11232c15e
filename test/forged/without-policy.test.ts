import { encodeTcb, type TrustAnchors } from '@strongroom/evidence'
import { ia5String } from '@strongroom/der'
import { beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  chipTcb,
  issueChain,
  issueReport,
  tcbAt,
  type ChainChange,
  type Hierarchy,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { faultsOf, judgeFiles } from './support/judged.ts'
import { openMakers } from './support/makers.ts'

let amd: Hierarchy
let anchors: TrustAnchors
beforeAll(async () => {
  ;({ amd, anchors } = await openMakers())
})
type Change = NonNullable<Parameters<typeof issueReport>[1]>
const policyAt = 8
const provider: ChainChange = {
  leaf: 'SEV-VLEK',
  ask: 'SEV-VLEK-Milan',
  endorsement: { hardwareId: undefined, providerId: ia5String('provider') },
}

describe('a genuine report of SEV-SNP, where no policy is given', () => {
  const verdict = async (change: Change, of?: ChainChange): Promise<string[]> => {
    const { vcek, ask, ark } = await issueChain(amd, of)
    const files = { 'report.bin': await issueReport(amd.vcek, change), 'chain.pem': toPem([vcek, ask, ark]) }
    const found = await judgeFiles(files, { anchors, at: now })
    return [found.verdict, ...faultsOf(found)]
  }

  it.each<[what: string, change: Change, of?: ChainChange]>([
    ['of any privilege level', (_, view) => view.setUint32(0x30, 3, true)],
    ['of a provider’s key', (bytes) => (bytes[0x48] = 1 << 2), provider],
    [
      'of firmware on trial',
      (_, view) => view.setBigUint64(tcbAt.committed, encodeTcb({ ...chipTcb, microcode: 221 }, 'Milan'), true),
    ],
    ['of a guest that takes CXL memory', (_, view) => view.setBigUint64(policyAt, 0x3001fn | (1n << 21n), true)],
  ])('is accepted: %s', async (_, change, of) => {
    expect(await verdict(change, of)).toEqual(['accepted'])
  })

  it.each<[what: string, bit: bigint, fault: string]>([
    ['the host may debug', 1n << 19n, 'policy.policy.debugAllowed Forbidden'],
    ['may be migrated', 1n << 18n, 'policy.policy.migrationAgentAllowed Forbidden'],
  ])('is refused for a guest that %s', async (_, bit, fault) => {
    expect(await verdict((__, view) => view.setBigUint64(policyAt, 0x3001fn | bit, true))).toEqual([
      'refused',
      'snp.policy failed',
      fault,
    ])
  })
})
