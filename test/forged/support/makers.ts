import type { TrustAnchors } from '@strongroom/evidence'
import { toPem } from '../../../packages/silicon/src/pki/pem-writer.ts'
import {
  issueChain,
  openHierarchy,
  spkiPin,
  type Hierarchy,
} from '../../../packages/silicon/src/testing/amd-hierarchy.ts'
import { openIntelHierarchy, type IntelHierarchy } from '../../../packages/silicon/src/testing/intel-hierarchy.ts'

/** Both vendors' authorities under their own roots, and anchors that trust them. */
export interface Makers {
  amd: Hierarchy
  intel: IntelHierarchy
  anchors: TrustAnchors
  /** VCEK, ASK and ARK as PEM. */
  chain: string
}

export async function openMakers(): Promise<Makers> {
  const amd = await openHierarchy()
  const intel = await openIntelHierarchy()
  const { vcek, ask, ark } = await issueChain(amd)
  return {
    amd,
    intel,
    anchors: {
      simulated: true,
      amd: [{ name: 'forged', spkiSha256: await spkiPin(amd.ark) }],
      intel: [{ name: 'forged', spkiSha256: await spkiPin(intel.root) }],
    },
    chain: toPem([vcek, ask, ark]),
  }
}
