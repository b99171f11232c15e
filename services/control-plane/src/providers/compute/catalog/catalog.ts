import type { ImageRecord, Urn } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { faqRule } from '../../../arm/faq-rule.ts'
import { monitorReply, operationView, readOperation, unknownOperation } from '../../../arm/operations.ts'
import { ok, param, type ArmRequest } from '../../../arm/request.ts'
import { parseResourceId } from '../../../arm/ids/resource-id.ts'
import { route, signedIn, type Route } from '../../../arm/router.ts'
import type { SizeAt } from '../../../fleet/carried-sizes.ts'
import { subscriptionPath, type Plane } from '../../../types/plane.ts'
import { marketOf, whatThereIs } from '../image/images.ts'
import { findRegion, locationKey, regions, type Region } from '../../../arm/regions.ts'
import { allSizes, hostSize, isOffered, type Size } from '../size/sizes.ts'
import { vmType } from '../vm/model/vm-model.ts'
import { extensionPublishers } from '../vm/extension/extensions.ts'

const compute = `${subscriptionPath}/providers/Microsoft.Compute`
const market = `${compute}/locations/{location}/publishers`

/** Entry of locations/{location}/vmSizes. */
export const sizeView = (size: Size): Record<string, unknown> => ({
  name: size.name,
  numberOfCores: size.vCPUs,
  osDiskSizeInMB: 1_047_552,
  resourceDiskSizeInMB: size.tempGiB * 1024,
  memoryInMB: size.memoryGiB * 1024,
  maxDataDiskCount: size.maxDataDisks,
})

/** Entry of Microsoft.Compute/skus for one region, as Azure lists them: all capability values are texts. */
function skuView(size: Size, region: Region, at: SizeAt): Record<string, unknown> {
  const [iops, megabytes] = size.uncached.split('/')
  const nvme = size.name.endsWith('_v6')
  const capabilities: Record<string, string | undefined> = {
    MaxResourceVolumeMB: String(size.tempGiB * 1024),
    OSVhdSizeMB: '1047552',
    vCPUs: String(size.vCPUs),
    MemoryPreservingMaintenanceSupported: 'False',
    HyperVGenerations: 'V2',
    DiskControllerTypes: nvme ? 'NVMe' : 'SCSI',
    MemoryGB: String(size.memoryGiB),
    MaxDataDiskCount: String(size.maxDataDisks),
    CpuArchitectureType: 'x64',
    LowPriorityCapable: 'False',
    PremiumIO: 'True',
    VMDeploymentTypes: 'IaaS',
    vCPUsAvailable: String(size.vCPUs),
    UncachedDiskIOPS: /^\d+$/.test(iops ?? '') ? iops : undefined,
    UncachedDiskBytesPerSecond: /^\d+$/.test(megabytes ?? '') ? String(Number(megabytes) * 1_000_000) : undefined,
    EphemeralOSDiskSupported: size.ephemeralOsDisk ? 'True' : 'False',
    EncryptionAtHostSupported: 'True',
    CapacityReservationSupported: 'False',
    AcceleratedNetworkingEnabled: 'False',
    RdmaEnabled: 'False',
    MaxNetworkInterfaces: String(size.maxNics),
    UltraSSDAvailable: 'False',
    HibernationSupported: 'False',
    TrustedLaunchDisabled: size.tee === undefined ? 'False' : 'True',
    ConfidentialComputingType: size.tee,
  }
  return {
    resourceType: 'virtualMachines',
    name: size.name,
    tier: 'Standard',
    size: size.name.replace(/^Standard_/, ''),
    family: size.family,
    locations: [region.name],
    // What the region has of it; what this subscription cannot have of that is a restriction.
    locationInfo: [{ location: region.name, zones: at.zones, zoneDetails: [] }],
    capabilities: Object.entries(capabilities).flatMap(([name, value]) =>
      value === undefined ? [] : [{ name, value }],
    ),
    restrictions: restrictionsOf(region.name, at),
  }
}

/** In Azure's form: of the whole region, or of zones. */
function restrictionsOf(location: string, { isCarried, without: zones }: SizeAt): Record<string, unknown>[] {
  const restriction = (type: 'Location' | 'Zone', more: object): Record<string, unknown> => ({
    type,
    values: [location],
    restrictionInfo: { locations: [location], ...more },
    reasonCode: 'NotAvailableForSubscription',
  })
  if (!isCarried) return [restriction('Location', {})]
  return zones.length === 0 ? [] : [restriction('Zone', { zones })]
}

const nowhere: SizeAt = { isCarried: false, zones: [], without: [] }

/** Where a region has each size: by what its hosts carry once hosts have joined, otherwise wherever it is offered. */
async function sizesAt(plane: Plane): Promise<(size: Size, region: Region) => SizeAt> {
  const carried = await plane.fleet.compute?.views.carriedSizes()
  return (size, region) => {
    if (!isOffered(size, region.name)) return nowhere
    const { tee, vCPUs, memoryMiB } = { tee: size.tee, ...hostSize(size) }
    const at = carried?.(region.name, { vCPUs, memoryMiB, ...(tee !== undefined && { tee }) })
    if (at?.isCarried === false) return { ...at, zones: region.zones }
    return at ?? { isCarried: true, zones: region.zones, without: [] }
  }
}

function requireRegion(request: ArmRequest): Region {
  const region = findRegion(param(request, 'location'))
  if (region !== undefined) return region
  throw new ServiceError({
    code: 'NoRegisteredProviderFound',
    message:
      `No registered resource provider found for location '${param(request, 'location').slice(0, 60)}' and type ` +
      "'locations' for namespace 'Microsoft.Compute'. The supported locations are " +
      `'${regions.map((r) => r.name).join(', ')}'.`,
    target: 'location',
    expected: regions.map((r) => r.name).join(', '),
    found: param(request, 'location').slice(0, 60),
    remedy: 'Use a region of this installation.',
    details: [faqRule('S24')],
  })
}

/** Right needed at an operation's resource to follow it. */
const readActions: Record<string, string> = {
  'group.delete': 'Microsoft.Resources/subscriptions/resourceGroups/read',
  'deployment.run': 'Microsoft.Resources/deployments/read',
}

/** For disks and images, their own type's. */
function readOfResource({ kind, resourceId }: { kind: string; resourceId: string }): string | undefined {
  const type = kind.startsWith('disk.') ? parseResourceId(resourceId)?.type : undefined
  return type && `${type}/read`
}

export function catalogRoutes(plane: Plane): Route[] {
  const operations = `${compute}/locations/{location}/operations/{operation}`
  return [
    route.get(`${compute}/skus`, 'Microsoft.Compute/skus/read', async (request) => {
      const location = /location eq '([^']+)'/i.exec(request.query['$filter'] ?? '')?.[1]
      const asked = location === undefined ? regions : regions.filter(({ name }) => name === locationKey(location))
      const at = await sizesAt(plane)
      return ok({ value: asked.flatMap((region) => allSizes().map((size) => skuView(size, region, at(size, region)))) })
    }),
    route.get(
      `${compute}/locations/{location}/vmSizes`,
      'Microsoft.Compute/locations/vmSizes/read',
      async (request) => {
        const region = requireRegion(request)
        const at = await sizesAt(plane)
        return ok({
          value: allSizes()
            .filter((size) => at(size, region).isCarried)
            .map(sizeView),
        })
      },
    ),
    route.get(`${compute}/locations/{location}/usages`, 'Microsoft.Compute/locations/usages/read', async (request) => {
      const { name: region } = requireRegion(request)
      const vms = await plane.resources.list({ type: vmType })
      return ok({ value: await plane.quotas.usages(region, vms.filter((vm) => vm.location === region).length) })
    }),
    // Readers of the resource may follow its operations; a role in a group covers no location.
    route.get(operations, signedIn, async (request) => {
      const operation = await readOperation(plane.runner, param(request, 'operation'))
      const read = readActions[operation.kind] ?? readOfResource(operation) ?? `${vmType}/read`
      if (!(await plane.access.allows(request.caller.objectId, read, operation.resourceId)))
        throw unknownOperation(operation.id)
      if (request.query['monitor']?.toLowerCase() === 'true') return await monitorReply(request, operation)
      const running = operation.status === 'Running' || operation.status === 'Undoing'
      const body = await operationView({ operation, notes: plane.notes, path: request.path })
      return { status: 200, body, ...(running && { headers: { 'retry-after': '1' } }) }
    }),
    ...marketRoutes(plane),
  ]
}

interface Entry {
  location: string
  name: string
  id: string
}

/** The marketplace has this installation's images, and Azure's names for them. Its lists are bare arrays, like Azure's. */
function marketRoutes(plane: Plane): Route[] {
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  const offers = `${market}/{publisher}/artifacttypes/vmimage/offers`
  const skus = `${offers}/{offer}/skus`
  const versions = `${skus}/{sku}/versions`
  const matching = async (request: ArmRequest, names: (keyof Urn)[]): Promise<{ image: ImageRecord; urn: Urn }[]> =>
    marketOf(await plane.host.images(), { strict: plane.strictImages }).filter(({ urn }) =>
      names.every((name) => same(urn[name], param(request, name))),
    )
  const noImage = async (): Promise<ServiceError> => {
    const instead = whatThereIs(await plane.host.images(), { strict: plane.strictImages })
    return new ServiceError({
      code: 'NotFound',
      message: `Artifact: VMImage was not found. ${instead}`,
      remedy: 'See `strongroom image list`.',
    })
  }
  const list = (path: string, names: (keyof Urn)[], shown: keyof Urn): Route =>
    route.get(path, 'Microsoft.Compute/locations/publishers/read', async (request) => {
      const { name: location } = requireRegion(request)
      const found = (await matching(request, names)).map(({ urn }) => urn[shown])
      if (shown === 'publisher') found.push(...extensionPublishers)
      // az uses the latest of these: the error lists what is available instead.
      if (shown === 'version' && found.length === 0) throw await noImage()
      const descending = (request.query['$orderby'] ?? '').toLowerCase() === 'name desc'
      const sorted = [...new Set(found)].toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      const ordered = descending ? sorted.toReversed() : sorted
      const top = Number(request.query['$top'] ?? ordered.length)
      const entries = ordered.slice(0, top).map((name): Entry => ({ location, name, id: `${request.path}/${name}` }))
      return ok(entries)
    })
  return [
    list(market, [], 'publisher'),
    list(offers, ['publisher'], 'offer'),
    list(skus, ['publisher', 'offer'], 'sku'),
    list(versions, ['publisher', 'offer', 'sku'], 'version'),
    route.get(`${versions}/{version}`, 'Microsoft.Compute/locations/publishers/read', async (request) => {
      const { name: location } = requireRegion(request)
      const found = (await matching(request, ['publisher', 'offer', 'sku', 'version']))[0]
      if (found === undefined) throw await noImage()
      const { image, urn } = found
      return ok({
        location,
        name: urn.version,
        id: request.path,
        properties: {
          plan: null,
          osDiskImage: { operatingSystem: image.osType, sizeInBytes: image.sizeBytes },
          dataDiskImages: [],
          hyperVGeneration: 'V2',
          architecture: 'x64',
          features: image.qualifies.confidential ? [{ name: 'SecurityType', value: 'ConfidentialVmSupported' }] : [],
        },
      })
    }),
  ]
}
