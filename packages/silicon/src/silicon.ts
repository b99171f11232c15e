import { digest, toHex, type TrustAnchors } from '@strongroom/evidence'
import type { SimulatedProduct } from './amd/amd-endorser.ts'
import { SimulatedSecureProcessor, type AmdSecureProcessor } from './amd/simulated-secure-processor.ts'
import type { Clock } from './pki/clock.ts'
import { createIntelPlatform } from './intel/platform.ts'
import type { KeyStore } from './pki/keys.ts'
import type { TdxPlatform } from './intel/tdx-platform.ts'

/** Simulated confidential-computing hardware of one installation, AMD's and Intel's. */
export interface Silicon {
  /** The installation's own roots. `simulated` is always true: they offer no protection from the host. */
  anchors: TrustAnchors
  amd: AmdSecureProcessor
  intel: TdxPlatform
}

/**
 * Opens the installation's simulated hardware. Its keys are created on first use, which takes seconds, and are stored
 * in `keys`.
 * @param o.keys private keys as PKCS#8 by name; the caller seals them
 * @param o.product AMD processor line; default Milan
 */
export async function createSilicon(o: { keys: KeyStore; clock: Clock; product?: SimulatedProduct }): Promise<Silicon> {
  const amd = await SimulatedSecureProcessor.open(o)
  const intel = await createIntelPlatform(o)
  const amdAnchor = { name: `Simulated ARK-${amd.product}`, spkiSha256: toHex(await digest('SHA-256', amd.rootSpki)) }
  return { anchors: { simulated: true, amd: [amdAnchor], intel: [intel.anchor] }, amd, intel }
}
