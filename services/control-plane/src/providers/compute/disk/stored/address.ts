import { diskBlobHost, type GuestIdentity } from '@strongroom/contract'
import type { ArmRequest } from '../../../../arm/request.ts'
import type { Fields } from '../../../../arm/fields.ts'
import type { Plane } from '../../../../plane.ts'
import { snapshotType } from './stored-disk.ts'
import { ownerOfGuestState } from './source.ts'

/** An address without its signature: what may be shown and kept. */
export const withoutSignature = (address: string): string => address.split('?', 1)[0]!

/** The disk that an address of `access` leads to. */
export const idOfAddress = (address: string): string | undefined => {
  const url = URL.canParse(address) ? new URL(address) : undefined
  return url?.hostname === diskBlobHost ? url.pathname.split('/')[1]?.toUpperCase() : undefined
}

/**
 * Where a disk is imported from: an address that a grant of access gave, or a file of the host, which takes the right to
 * import images. There are no storage accounts here.
 */
export async function readSourceUri(
  plane: Plane,
  request: ArmRequest,
  fields: Fields,
  at: { path: string; uri: string | undefined },
): Promise<string> {
  const uri = at.uri ?? ''
  if (/^file:\/\/\/[\x21-\x7e]+$/i.test(uri)) {
    const id = `/subscriptions/${plane.subscriptionId}/providers/Strongroom.Machine/images`
    await plane.access.requireLinked(request.caller, request.path, [{ id, action: 'Strongroom.Machine/images/import/action' }]) // prettier-ignore
    return uri
  }
  if (idOfAddress(uri) !== undefined) return uri
  fields.invalid(at.path, 'The blob to import the disk from cannot be read.', {
    expected: `an address from az disk grant-access or az snapshot grant-access (https://${diskBlobHost}/…), or file:///… on this host`,
    found: withoutSignature(uri).slice(0, 120),
    remedy: 'Upload it instead: createOption Upload.',
  })
  return uri
}

/**
 * Whose guest state an address leads to. The ciphertext alone gives nobody the right to have it opened: its importer needs
 * the same right at the source as for a copy.
 * @throws ServiceError LinkedAuthorizationFailed
 */
export async function guestBehind(
  plane: Plane,
  request: ArmRequest,
  fields: Fields,
  at: { path: string; id: string | undefined },
): Promise<GuestIdentity | undefined> {
  const owner = at.id === undefined ? undefined : await ownerOfGuestState(plane, at.id.toUpperCase())
  if (owner === undefined) {
    fields.invalid(at.path, 'The guest state does not belong to a VM, disk or snapshot of this installation: no key decrypts it.', {
      expected: 'guest state that was exported here, from a source that still exists',
      found: at.id ?? 'no guest state',
      remedy: 'Export it with az snapshot grant-access --secure-vm-guest-state-sas, and keep the snapshot until it is imported.',
    }) // prettier-ignore
    return undefined
  }
  const action = `${snapshotType}/beginGetAccess/action`
  await plane.access.requireLinked(request.caller, request.path, [{ id: owner.id, action }])
  return owner.guest
}

/** Versions before 2018-06-01 name what is copied in sourceUri. */
export function copiedFrom(creation: Fields): string | undefined {
  const old = creation.text('sourceUri')
  return creation.text('sourceResourceId') ?? (old?.toLowerCase().startsWith('/subscriptions/') ? old : undefined)
}
