import * as nodeCrypto from 'node:crypto'
import { nodePrimitives, tcbStatuses, type TrustAnchors, VerificationCache } from '@strongroom/evidence'
import { baseline, detect, type EvidencePolicy, judge, type Judgement, type Piece } from '@strongroom/evidence/files'
import { gunzip } from '../../../apps/cli/src/evidence/gunzip.ts'

export type File = readonly [name: string, bytes: Uint8Array]

/** Files that are accepted together, as they are. */
export interface Case {
  name: string
  files: readonly File[]
  at: Date
  anchors: TrustAnchors
  policy: EvidencePolicy
  /** Whom `--ca` names. */
  authority?: Parameters<typeof judge>[0]['authority']
}

/** Accepts genuine evidence whatever its platform lacks: the more is accepted, the more mutants are. */
export const everyGenuine: EvidencePolicy = {
  snp: { ...baseline.snp, allow: { ...baseline.snp.allow, debug: true } },
  tdx: {
    debugAllowed: true,
    migratableAllowed: true,
    septVeDisableRequired: false,
    pksAllowed: true,
    perfmonAllowed: true,
    tcbStatuses: tcbStatuses.filter((status) => status !== 'Revoked'),
    acceptedAdvisoryIds: Array.from({ length: 2_000 }, (_, id) => `INTEL-SA-${String(id).padStart(5, '0')}`),
  },
}

/** Shared by all: a stale entry would show as an accepted mutant. */
const cache = new VerificationCache({ maximumEntries: 4_096 })
const primitives = nodePrimitives(nodeCrypto)

/** Detects and judges files together, as `evidence verify` does. */
export async function judged(o: Omit<Case, 'name'>): Promise<{ pieces: Piece[]; judgement: Judgement }> {
  const pieces = o.files.flatMap(([name, bytes]) => detect(name, bytes, { gunzip }))
  const { anchors, at, policy, authority } = o
  const by = authority === undefined ? {} : { authority }
  const judgement = await judge({ pieces, anchors, at, policy, ...by, primitives, cache })
  return { pieces, judgement }
}
