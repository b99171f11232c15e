import type { ImageRecord, SettledCode } from '@strongroom/contract'
import type { FaqRuleId } from '../../../arm/faq-rule.ts'
import type { Problem } from '../../../arm/fields.ts'
import type { Plane } from '../../../types/plane.ts'
import { isOfType, type Resource } from '../../../store/resources.ts'
import { definitionType, encryptionOf, managedImageType, versionType } from '../disk/stored/stored-disk.ts'
import { imageTarget, type GallerySource, type ResolvedImage } from '../image/resolved/resolved-image.ts'
import { definitionOf } from './definitions.ts'
import { highestFirst, versionsOf, type Version, type VersionInternal } from './versions.ts'

export const isComputeImage = (id: string): boolean => /\/providers\/Microsoft\.Compute\/(galleries|images)\//i.test(id)

/**
 * The image behind a gallery version, or behind a definition: its latest version that is not excluded and is in the
 * region. Otherwise why there is none.
 */
export async function resolveGalleryImage(
  plane: Plane,
  id: string,
  location: string,
): Promise<ResolvedImage | { problem: Problem }> {
  const problem = (code: SettledCode, message: string, remedy: string, rule?: FaqRuleId): { problem: Problem } => ({
    problem: { code, message, target: imageTarget, found: id.slice(0, 300), remedy, ...(rule && { rule }) },
  })
  const named = /^(.*)\/versions\/latest$/i.exec(id)?.[1] ?? id
  const found = await plane.resources.find(named)
  if (found?.type === managedImageType.toLowerCase())
    return problem(
      'BadRequest',
      `The managed image '${found.id}' does not support creation of VMs with 'ConfidentialVM' security type.`,
      'Create a gallery image version from it, in an image definition with the feature SecurityType=ConfidentialVmSupported.',
      'S13',
    )
  const version =
    found?.type === definitionType.toLowerCase() ? await latestOf(plane, found, location) : asVersion(found)
  if (version === undefined)
    return problem(
      'GalleryImageNotFound',
      `The gallery image ${id.slice(0, 300)} is not available in ${location} region. Please contact image owner ` +
        'to replicate to this region, or change your requested region.',
      'See az sig image-version list; a version must be in the region and, for latest, not be excluded from it.',
    )
  const { kept, publishing } = version.internal
  if (!publishing.regions.some(({ key }) => key === location))
    return problem(
      'GalleryImageNotFound',
      `The gallery image ${version.id} is not available in ${location} region. Please contact image owner to ` +
        'replicate to this region, or change your requested region.',
      `Use one of its regions: ${publishing.regions.map(({ name }) => name).join(', ')}.`,
    )
  const definition = await plane.resources.get(version.id.split('/').slice(0, 11).join('/'))
  const image = kept === undefined ? undefined : await imageOf(plane, version, kept.id)
  if (kept === undefined || image === undefined)
    return problem(
      'ImageVersionNotReady',
      `The image version ${version.id} does not contain anything a VM can be created from. ${missingOf(version)}`,
      'See properties.qualification of the version: fix what is missing, then create another version.',
      'S12',
    )
  const { osState, security } = definitionOf(definition)
  const encryption = encryptionOf(kept)
  const gallery: GallerySource = {
    versionId: version.id,
    osState,
    security,
    ...(kept.osProfile !== undefined && { osProfile: kept.osProfile }),
    ...(encryption !== undefined && { encryption }),
  }
  return { image, gallery }
}

const asVersion = (found: Resource | undefined): Version | undefined =>
  isOfType<VersionInternal>(found, versionType) ? found : undefined

async function latestOf(plane: Plane, definition: Resource, location: string): Promise<Version | undefined> {
  const all = (await versionsOf(plane, definition)).filter(
    ({ body, internal }: { body: Resource['body']; internal: VersionInternal }) => {
      const region = internal.publishing.regions.find(({ key }) => key === location)
      const excluded = internal.publishing.excludeFromLatest || region?.excludeFromLatest !== false
      return body.properties['provisioningState'] === 'Succeeded' && !excluded
    },
  )
  return all.toSorted(highestFirst)[0]
}

async function imageOf(plane: Plane, version: Version, keptId: string): Promise<ImageRecord | undefined> {
  if (version.body.properties['provisioningState'] !== 'Succeeded') return undefined
  const image = (await plane.host.findDisk(keptId))?.image
  return image && { ...image, version: version.name }
}

function missingOf(version: Version): string {
  const { missing = [] } = (version.body.properties['qualification'] ?? {}) as { missing?: { message: string }[] }
  return missing.map(({ message }) => message).join(' ')
}
