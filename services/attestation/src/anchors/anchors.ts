import { genuineAmdAnchors, genuineIntelAnchors, type TrustAnchor, type TrustAnchors } from '@strongroom/evidence'
import { ServiceError, type Installation } from '@strongroom/platform'

/** The accepted roots: always the vendors' own, and the installation's simulated ones in simulated mode only. */
export interface Anchors {
  all: TrustAnchors
  /** `all`, plus the roots of other installations' silicon accepted at this provider; `all` without one. */
  at: (providerHost: string | undefined) => TrustAnchors
  /** Those accepted at one provider or more. */
  anywhere: TrustAnchors
  /** Whether a root belongs to the installation's own silicon, by the SHA-256 of its public key. */
  isSimulated: (spkiSha256: string) => boolean
}

/** Simulated silicon of another installation, and the providers that verify it. */
export interface AcceptedSilicon {
  anchors: TrustAnchors
  /** Host names of providers. This silicon is accepted nowhere else: its owner could attest as any VM of this installation. */
  hosts: readonly string[]
}

/**
 * @throws ServiceError TrustAnchorsNotAllowed if a hardware installation is given any root but AMD's and Intel's
 *   (attack K10), TrustAnchorsMissing if a simulated one has none of its own (attack K5)
 */
export function openAnchors(
  given: TrustAnchors,
  mode: Installation['mode'],
  accepted: readonly AcceptedSilicon[] = [],
): Anchors {
  const genuine = new Set([...genuineAmdAnchors, ...genuineIntelAnchors].map((anchor) => anchor.spkiSha256))
  const own = [...given.amd, ...given.intel].filter((anchor) => !genuine.has(anchor.spkiSha256))
  if (mode === 'hardware' && (given.simulated || own.length > 0 || accepted.length > 0)) {
    throw new ServiceError({
      code: 'TrustAnchorsNotAllowed',
      message: 'A hardware installation trusts the collateral of AMD and Intel only.',
      expected: 'the genuine roots',
      found: own.map((anchor) => anchor.name).join(', ') || 'anchors marked as simulated',
      remedy: 'Create another installation for simulated silicon.',
    })
  }
  if (mode === 'simulated' && (!given.simulated || own.length === 0)) {
    throw new ServiceError({
      code: 'TrustAnchorsMissing',
      message: 'A simulated installation needs the roots of its own silicon, marked as simulated.',
      expected: 'TrustAnchors with simulated: true',
      found: `simulated: ${given.simulated}, ${own.length} roots of its own`,
      remedy: 'Start the host service first and pass its anchors.',
    })
  }
  const all: TrustAnchors = {
    simulated: given.simulated,
    amd: merge(given.amd, genuineAmdAnchors),
    intel: merge(given.intel, genuineIntelAnchors),
  }
  const beside = new Map<string | undefined, TrustAnchors>()
  let anywhere = all
  for (const { anchors, hosts } of accepted) {
    for (const host of hosts) {
      beside.set(host, joined(anchors, beside.get(host) ?? all))
      anywhere = joined(anchors, anywhere)
    }
  }
  return {
    all,
    anywhere,
    at: (host) => beside.get(host) ?? all,
    isSimulated: (spkiSha256) => !genuine.has(spkiSha256),
  }
}

function joined(accepted: TrustAnchors, before: TrustAnchors): TrustAnchors {
  return {
    simulated: true,
    amd: merge(accepted.amd, before.amd),
    intel: merge(accepted.intel, before.intel),
  }
}

function merge(given: readonly TrustAnchor[], genuine: readonly TrustAnchor[]): TrustAnchor[] {
  return [...new Map([...given, ...genuine].map((anchor) => [anchor.spkiSha256, anchor])).values()]
}
