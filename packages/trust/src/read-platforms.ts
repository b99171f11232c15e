import {
  homeRegion,
  sharedAttestationHost,
  type CollateralBundle,
  type DecidedClaims,
  type DecisionBundle,
  type DecisionList,
  type DecisionView,
} from '@strongroom/contract'
import type { TcbVersion } from '@strongroom/evidence'
import { vmIdOf } from './decided-vm.ts'
import { earlyTcbInfos } from './early-tcb-infos.ts'
import { platformTcb, type PlatformTcb, type TcbWanted } from './platform-tcb.ts'

/** Fetches JSON from an attestation provider as the caller. @throws if the response is not a success */
export type ReadProvider = <T>(url: string) => Promise<T>

export interface SeenPlatform extends PlatformTcb {
  /** VMs attested on it, according to their evidence. */
  vmIds: string[]
}

type Decided = DecisionView & DecidedClaims

/** Maximum decisions requested per provider, and bundles read: each holds evidence and collateral. */
const mostDecisions = 100
const mostRead = 24
const version = 'api-version=2025-06-01'

/**
 * Platforms of the newest decisions, each as last attested.
 * @param o.providers hosts @param o.read data that the caller may not read is left out
 * @throws the error of `read` if no provider can be read
 * @example
 * import { readPlatforms } from '@strongroom/trust/platforms'
 *
 * // Responses of a provider without decisions; a caller would fetch them with its own token.
 * const read = async <T>(url: string): Promise<T> => {
 *   if (url.includes('/collateral')) throw new Error('403')
 *   return (url.includes('/tcbbaselines/') ? { tcbBaselines: [] } : { value: [] }) as T
 * }
 * await readPlatforms({ providers: ['sharedlocal.attest.example'], read }) // => []
 */
export async function readPlatforms(o: { providers: readonly string[]; read: ReadProvider }): Promise<SeenPlatform[]> {
  const lists = await Promise.allSettled(
    o.providers.map((host) =>
      o.read<DecisionList>(`https://${host}/decisions?${version}&$top=${mostDecisions}&$expand=claims`),
    ),
  )
  const failed = lists.filter((each) => each.status === 'rejected')
  if (failed.length > 0 && failed.length === lists.length) throw failed[0]!.reason
  const decisions: Decided[] = lists.flatMap((each) => (each.status === 'fulfilled' ? each.value.value : []))
  const newest = newestOfEachVm(decisions.filter(({ outcome, type }) => outcome !== 'Refused' && type !== 'Tpm'))
  const wanted: TcbWanted = { minimum: await snpMinimum(o.read), early: await earlySets(o.read) }
  const found = new Map<string, SeenPlatform>()
  for (const decision of newest.slice(0, mostRead)) {
    const url = `https://${decision.provider}/decisions/${encodeURIComponent(decision.id)}/bundle?${version}`
    // Evidence is kept for a limited time.
    const bundle = await o.read<DecisionBundle>(url).catch(() => undefined)
    const platform = bundle && platformTcb(bundle, wanted)
    if (platform === undefined) continue
    const vmId = vmIdOf(decision)
    const known = found.get(platform.id)
    const vmIds = [...(known?.vmIds ?? []), ...(vmId === undefined ? [] : [vmId])]
    found.set(platform.id, { ...(known ?? platform), vmIds: [...new Set(vmIds)] })
  }
  return [...found.values()]
}

function newestOfEachVm(decisions: readonly Decided[]): Decided[] {
  const seen = new Set<string>()
  return decisions
    .toSorted((a, b) => b.at.localeCompare(a.at))
    .filter((decision) => {
      const key = vmIdOf(decision) ?? decision.id
      return !seen.has(key) && seen.add(key)
    })
}

const home = sharedAttestationHost(homeRegion.code)

/** What an installation requires beyond the advisories, as its providers publish it. */
async function snpMinimum(read: ReadProvider): Promise<TcbWanted['minimum']> {
  interface Baseline {
    tcbIdentifier: string
    minimum?: Partial<TcbVersion>
  }
  const { tcbBaselines } = await read<{ tcbBaselines: Baseline[] }>(`https://${home}/tcbbaselines/SevSnpVm?${version}`)
  return (line) => tcbBaselines.find(({ tcbIdentifier }) => tcbIdentifier === line)?.minimum
}

/** Empty if the caller may not read collateral. */
async function earlySets(read: ReadProvider): Promise<TcbWanted['early']> {
  try {
    // A request for its status makes the service fetch the vendors' early sets.
    await read(`https://${home}/collateral`)
  } catch {
    return new Map()
  }
  const bundles = await Promise.all(
    ['vendors', 'installation'].map((source) =>
      read<CollateralBundle>(`https://${home}/collateral/bundle?source=${source}`).then(
        ({ items }) => items,
        () => [],
      ),
    ),
  )
  return earlyTcbInfos(bundles.flat())
}
