import type { ImageReference } from '@strongroom/contract'
import type { Link } from '../../../arm/access.ts'
import type { Plane } from '../../../types/plane.ts'
import { managedImageType, versionType } from '../disk/stored/stored-disk.ts'
import { isComputeImage } from '../gallery/gallery-images.ts'
import type { ResolvedImage } from './resolved/resolved-image.ts'

const machineImage = 'Strongroom.Machine/images/read'

/** Rights to use a managed image or one of a gallery, at the id that a request names, whether or not it exists. */
export function computeImageLinks(named: ImageReference | undefined): Link[] {
  if (named === undefined || !('id' in named) || !isComputeImage(named.id)) return []
  const type = /\/providers\/Microsoft\.Compute\/images\//i.test(named.id) ? managedImageType : versionType
  return [{ id: named.id.replace(/\/versions\/latest$/i, ''), action: `${type}/read` }]
}

/** Rights to use another image. Imported images belong to their owners; the reference image is for everybody. */
export function imageLinks(
  plane: Pick<Plane, 'subscriptionId'>,
  named: ImageReference | undefined,
  resolved: ResolvedImage | undefined,
): Link[] {
  if (named === undefined || ('id' in named && isComputeImage(named.id))) return []
  if (resolved === undefined) return 'id' in named ? [{ id: named.id, action: machineImage }] : []
  if (resolved.image.source !== 'import') return []
  const id = `/subscriptions/${plane.subscriptionId}/providers/Strongroom.Machine/images/${resolved.image.id}`
  return [{ id, action: machineImage }]
}
