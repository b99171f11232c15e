import { refusalOf, type Image } from '../resources/images.ts'
import type { Host } from './hosts.ts'
import { silicon, type Size, type Usage } from './size.ts'

/** One reason why a size is unavailable. */
export interface Reason {
  kind: 'region' | 'security' | 'image' | 'silicon' | 'host' | 'encryption' | 'quota' | 'zone'
  text: string
  /** For a quota: what to request. */
  ask?: { quota: string; limit: number }
}

export interface Wanted {
  region: string
  zone?: string | undefined
  /** Azure's name: DiskWithVMGuestState, VMGuestStateOnly or NonPersistedTPM. */
  encryption: string
  /** Absent if any qualifying image will do. */
  image?: Image | undefined
}

/** The facts about a region. */
export interface Facts {
  usages: readonly Usage[]
  /** Undefined if the principal may not see them: their silicon is then not mentioned. */
  hosts: readonly Host[] | undefined
}

/** A size in one region, with every reason against it; none if it is available. */
export interface Judged {
  size: Size
  reasons: Reason[]
}

/** @param everywhere the same size in every region, to name alternatives */
export function reasonsOf(size: Size, everywhere: readonly Size[], { usages, hosts }: Facts, wanted: Wanted): Reason[] {
  const reasons: Reason[] = []
  if (size.tee === undefined)
    reasons.push({
      kind: 'security',
      text: 'It is not a confidential size: its memory is not protected from the host.',
    })
  const refusal = wanted.image && refusalOf(wanted.image)
  if (size.tee !== undefined && refusal !== undefined)
    reasons.push({ kind: 'image', text: `The image ${wanted.image?.urn} ${refusal}.` })
  const others = everywhere.filter(({ carried }) => carried).map(({ region }) => region)
  const where = others.length === 0 ? 'No region of this installation has it.' : `It is in ${others.join(', ')}.`
  const bySilicon = size.offered && hosts !== undefined ? siliconReasons(size, hosts, wanted) : []
  if (!size.offered) reasons.push({ kind: 'region', text: `${wanted.region} does not offer it. ${where}` })
  else if (!size.carried && bySilicon.length === 0)
    reasons.push({ kind: 'host', text: `No host in ${wanted.region} can carry it. ${where}` })
  if (size.carried && wanted.zone !== undefined && wanted.zone !== '' && !size.zones.includes(wanted.zone))
    reasons.push({ kind: 'zone', text: `Zone ${wanted.zone} of ${wanted.region} does not have it.` })
  reasons.push(...bySilicon)
  if (size.tee === 'SNP' && wanted.encryption === 'NonPersistedTPM')
    reasons.push({
      kind: 'encryption',
      text: 'A non-persistent TPM (NonPersistedTPM) needs Intel TDX; this is AMD SEV-SNP.',
    })
  reasons.push(...quotaReasons(size, usages))
  return reasons
}

/**
 * No host that accepts new machines has its silicon (docs/guides/fleet.md, "Which host carries a VM"). A host without a region
 * is the server's own, which serves every region until another has joined.
 */
function siliconReasons({ tee }: Size, hosts: readonly Host[], { region, zone = '' }: Wanted): Reason[] {
  if (tee === undefined) return []
  const there = hosts.filter(
    (host) =>
      host.tees !== undefined &&
      host.state !== 'Invited' &&
      (host.region === undefined || (host.region === region && (zone === '' || host.zone === zone))),
  )
  if (there.some(({ tees }) => tees?.includes(tee))) return []
  const where = zone === '' ? region : `zone ${zone} of ${region}`
  const named = there.slice(0, 5).map(({ name }) => name)
  const which =
    named.length === there.length ? named.join(', ') : `${named.join(', ')} and ${there.length - named.length} more`
  const others = there.length === 0 ? 'There is none.' : `There is ${which}, with other silicon.`
  return [{ kind: 'silicon', text: `No host in ${where} has ${silicon[tee]}. ${others}` }]
}

/** For its family, and for all cores of the region. */
function quotaReasons(size: Size, usages: readonly Usage[]): Reason[] {
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  return usages
    .filter(({ name }) => same(name.value, size.family) || name.value === 'cores')
    .filter(({ currentValue, limit }) => currentValue + size.vCPUs > limit)
    .map(({ name, currentValue, limit }) => ({
      kind: 'quota',
      text: `Quota: ${currentValue} of ${limit} cores are used (${name.localizedValue}); it needs ${size.vCPUs}.`,
      ask: { quota: name.value, limit: currentValue + size.vCPUs },
    }))
}

/** All sizes of a region, available ones first, each group by cores. */
export function judgeSizes(all: readonly Size[], facts: Facts, wanted: Wanted): Judged[] {
  const byName = Map.groupBy(all, ({ name }) => name)
  return all
    .filter(({ region }) => region === wanted.region)
    .map((size) => ({ size, reasons: reasonsOf(size, byName.get(size.name) ?? [], facts, wanted) }))
    .toSorted(
      (a, b) =>
        Math.sign(a.reasons.length) - Math.sign(b.reasons.length) ||
        a.size.vCPUs - b.size.vCPUs ||
        a.size.memoryGiB - b.size.memoryGiB ||
        a.size.tempGiB - b.size.tempGiB ||
        a.size.name.localeCompare(b.size.name),
    )
}
