import { diskBlobHost, type GuestIdentity } from '@strongroom/contract'
import type { ArmRequest } from '../../../../arm/request.ts'
import type { Fields } from '../../../../arm/fields.ts'
import type { Plane } from '../../../../types/plane.ts'
import { snapshotType } from './stored-disk.ts'
import { ownerOfGuestState } from './source.ts'

/** An address without its signature, which may be shown and stored. */
export const withoutSignature = (address: string): string => address.split('?', 1)[0]!

/** The disk behind an address from `access`. */
export const idOfAddress = (address: string): string | undefined => {
  const url = URL.canParse(address) ? new URL(address) : undefined
  return url?.hostname === diskBlobHost ? url.pathname.split('/')[1]?.toUpperCase() : undefined
}

/**
 * Source of an imported disk: an address from an access grant, or a file on the host, which requires the right to
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
    await plane.access.requireLinked(request.caller, request.path, [
      { id, action: 'Strongroom.Machine/images/import/action' },
    ])
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
 * The guest state behind an address. Having the ciphertext does not imply the right to have it opened: the importer
 * needs the same right at the source as for a copy.
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
    fields.invalid(
      at.path,
      'The guest state does not belong to a VM, disk or snapshot of this installation: no key decrypts it.',
      {
        expected: 'guest state that was exported here, from a source that still exists',
        found: at.id ?? 'no guest state',
        remedy:
          'Export it with az snapshot grant-access --secure-vm-guest-state-sas, and keep the snapshot until it is imported.',
      },
    )
    return undefined
  }
  const action = `${snapshotType}/beginGetAccess/action`
  await plane.access.requireLinked(request.caller, request.path, [{ id: owner.id, action }])
  return owner.guest
}

/** Versions before 2018-06-01 name the source in sourceUri. */
export function copiedFrom(creation: Fields): string | undefined {
  const old = creation.text('sourceUri')
  return creation.text('sourceResourceId') ?? (old?.toLowerCase().startsWith('/subscriptions/') ? old : undefined)
}
