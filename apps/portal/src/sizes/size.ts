import { get, list, subscriptionPath, versions } from '../wire/arm.ts'

/** Entry of Microsoft.Compute/skus. */
interface Sku {
  name: string
  family: string
  resourceType: string
  locations: string[]
  locationInfo: { location: string; zones: string[] }[]
  capabilities: { name: string; value: string }[]
  restrictions: { type: string; reasonCode: string; restrictionInfo: { zones?: string[] } }[]
}

export interface Size {
  name: string
  family: string
  region: string
  zones: string[]
  vCPUs: number
  memoryGiB: number
  tempGiB: number
  dataDisks: number
  tee: 'SNP' | 'TDX' | undefined
  /** Whether the region has it. */
  offered: boolean
  /** Whether a host of the region can carry it. */
  carried: boolean
}

export interface Usage {
  name: { value: string; localizedValue: string }
  currentValue: number
  limit: number
}

export interface Region {
  name: string
  displayName: string
}

export const silicon: Record<'SNP' | 'TDX', string> = { SNP: 'AMD SEV-SNP', TDX: 'Intel TDX' }

/** A size's text in lists. */
export const sizeText = ({ name, vCPUs, memoryGiB, tee }: Size, refused: boolean): string =>
  `${name.replace(/^Standard_/, '')}: ${vCPUs} cores, ${memoryGiB} GiB, ` +
  `${tee === undefined ? 'no silicon of its own' : silicon[tee]}${refused ? ' (not here, see why)' : ''}`

function toSize(sku: Sku): Size {
  const of = (name: string): string | undefined => sku.capabilities.find((each) => each.name === name)?.value
  const tee = of('ConfidentialComputingType')
  const zones = sku.locationInfo[0]?.zones ?? []
  const carried = sku.restrictions.every(({ type }) => type !== 'Location')
  const without = sku.restrictions.flatMap(({ restrictionInfo }) => restrictionInfo.zones ?? [])
  return {
    name: sku.name,
    family: sku.family,
    region: sku.locations[0] ?? '',
    zones: zones.filter((zone) => !without.includes(zone)),
    vCPUs: Number(of('vCPUs')),
    memoryGiB: Number(of('MemoryGB')),
    tempGiB: Math.round(Number(of('MaxResourceVolumeMB')) / 1024),
    dataDisks: Number(of('MaxDataDiskCount')),
    tee: tee === 'SNP' || tee === 'TDX' ? tee : undefined,
    offered: carried || zones.length > 0,
    carried,
  }
}

/** Every size in every region, including restricted ones that a region lacks (rule S20). */
export async function readSizes(signal?: AbortSignal): Promise<Size[]> {
  const path = `${await subscriptionPath()}/providers/Microsoft.Compute/skus`
  const { value } = await get<{ value: Sku[] }>(path, versions.compute, signal)
  return value.filter(({ resourceType }) => resourceType === 'virtualMachines').map(toSize)
}

export async function readUsages(region: string, signal?: AbortSignal): Promise<Usage[]> {
  const path = `${await subscriptionPath()}/providers/Microsoft.Compute/locations/${encodeURIComponent(region)}/usages`
  return await list<Usage>(path, versions.compute, signal)
}

export async function readRegions(signal?: AbortSignal): Promise<Region[]> {
  return await list<Region>(`${await subscriptionPath()}/locations`, versions.subscriptions, signal)
}
