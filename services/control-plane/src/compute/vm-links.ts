import type { Link } from '../arm/access.ts'
import type { Plane } from '../plane.ts'
import { versionType } from './kept/kept.ts'
import type { ResolvedImage } from './resolved-image.ts'
import { providerLinks } from './vm-attestation.ts'
import { diskType, type VmModel } from './vm-model.ts'
import type { VmRequest } from './vm-request.ts'

/** Imported images are their owners', while the reference image is everybody's. */
export function links(plane: Plane, r: VmRequest, named: ResolvedImage | undefined): Link[] {
  const image = named?.image
  const providers = providerLinks(r.attestationProviderId)
  if (named?.gallery !== undefined)
    return [...providers, { id: named.gallery.versionId, action: `${versionType}/read` }]
  if (image?.source !== 'import') return providers
  const id = `/subscriptions/${plane.subscriptionId}/providers/Strongroom.Machine/images/${image.id}`
  return [...providers, { id, action: 'Strongroom.Machine/images/read' }]
}

/** A disk that the VM has not yet is taken from whoever may use it: that needs a role at the disk. */
export function diskLinks(r: VmRequest, before: VmModel | undefined): Link[] {
  const held = new Set((before?.dataDisks ?? []).map((disk) => disk.id?.toLowerCase()))
  return r.dataDisks.flatMap(({ id }) =>
    id === undefined || held.has(id.toLowerCase()) ? [] : [{ id, action: `${diskType}/write` }],
  )
}
