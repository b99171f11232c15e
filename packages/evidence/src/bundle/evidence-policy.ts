import type { CcaPolicy } from '../cca/appraise.ts'
import type { BootPolicy } from '../eventlog/boot-claims.ts'
import type { HclPolicy } from '../checks/check-hcl.ts'
import type { ClaimRules } from '../checks/check-token.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'
import type { SnpPolicy } from '../snp/appraise.ts'
import type { TdxPolicy } from '../tdx/appraise.ts'
import type { TokenAlgorithm } from '../tokens/algorithms.ts'
import type { TokenKind } from '../tokens/kind.ts'

/** Requirements on evidence. Omitted rules are not appraised, except those of `baseline`. */
export interface EvidencePolicy {
  snp?: SnpPolicy
  tdx?: TdxPolicy
  cca?: CcaPolicy
  hcl?: HclPolicy
  /** Requirements on the boot, as event logs show it. */
  boot?: BootPolicy
  /** Keys whose owner the policy's author knows: attestation keys of TPMs, platform keys of CCA, each by its SPKI. */
  keys?: readonly TrustAnchor[]
  /** `roots`: of attestation keys' certificates. */
  tpm?: { nonce?: Uint8Array; pcrs?: ReadonlyMap<number, Uint8Array>; roots?: readonly TrustAnchor[] }
  token?: {
    kind?: TokenKind
    issuer?: string
    audience?: string
    /** Keys that may sign tokens, and roots that may certify them: keys in files prove nothing about their owner. */
    keys?: readonly TrustAnchor[]
    roots?: readonly TrustAnchor[]
    algorithms?: readonly TokenAlgorithm[]
    claims?: ClaimRules
    /** Seconds after `iat`. */
    maximumAge?: number
  }
  release?: { roots: readonly TrustAnchor[]; signer: string; usage?: string }
}

/**
 * Rules that apply without a policy: a guest that its host may debug, or whose memory may be migrated, cannot keep
 * secrets. Reports signed with a provider's key, from any privilege level or from provisional firmware are genuine; a
 * policy decides whether to accept them.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors } from '@strongroom/evidence'
 * import { baseline, detect, judge } from '@strongroom/evidence/files'
 *
 * // Add rules to the baseline.
 * const policy = { ...baseline, snp: { ...baseline.snp, vmpls: [0] } }
 * const pieces = ['report.bin', 'vcek.der', 'cert_chain.pem']
 * const found = await Promise.all(pieces.map(async (name) => detect(name, await readFile(name))))
 * const anchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }
 * const { verdict } = await judge({ pieces: found.flat(), anchors, at: new Date('2024-01-01'), policy })
 * verdict // => 'accepted'
 */
export const baseline: { snp: SnpPolicy; tdx: TdxPolicy } = {
  snp: {
    measurements: 'any',
    reportData: 'any',
    vmpls: [0, 1, 2, 3],
    allow: { vlek: true, provisionalFirmware: true, cxl: true },
  },
  tdx: {},
}
