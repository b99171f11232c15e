import type { CustomerKey } from '@strongroom/contract'
import { noSuch, invalid } from '../../arm/refusals.ts'
import type { Link } from '../../arm/access.ts'
import type { OnBehalfOf } from '../../arm/on-behalf-of.ts'
import type { Problem } from '../../arm/fields.ts'
import { attestationUri } from '../../providers/compute/vm/model/vm-attestation.ts'
import type { Vm, VmInternal, VmModel } from '../../providers/compute/vm/model/vm-model.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db } from '../../store/resources.ts'
import { placeKey } from '../../providers/encryption/set-key.ts'
import {
  actingIdentity,
  keysOf,
  rotating,
  setState,
  setType,
  type DiskEncryptionSet,
  type SetInternal,
  keyUser,
} from '../../providers/encryption/set-model.ts'

const target = 'properties.storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet.id'

/** Naming a set requires the right to see it. */
export function setLinks(id: string | undefined): Link[] {
  return id === undefined ? [] : [{ id, action: `${setType}/read` }]
}

/** The set that a new VM names; `checkBoot` decides whether its key is usable. */
export async function resolveSet(
  plane: Plane,
  r: VmRequest,
): Promise<{ set?: { id: string } } | { problems: Problem[] }> {
  const id = r.diskEncryptionSetId
  if (id === undefined) return {}
  // The table of security profiles refuses it.
  if (r.encryption !== 'DiskWithVMGuestState') return {}
  const set = await plane.resources.find<SetInternal>(id)
  if (set?.type !== setType.toLowerCase()) {
    const remedy = 'Create the set first: az disk-encryption-set create.'
    return { problems: [noSuch('disk encryption set', id, { target, type: setType, remedy })] }
  }
  if (set.location !== r.location) {
    return {
      problems: [
        invalid(
          target,
          `The disk encryption set '${set.id}' is in '${set.location}', the virtual machine in '${r.location}'.`,
          { expected: r.location, found: set.location, remedy: 'Use a set in the virtual machine’s region.' },
        ),
      ],
    }
  }
  const placed = await placeKey(plane, set.internal.activeKey, set.location)
  return 'problems' in placed ? placed : { set: { id: set.id } }
}

/** What the host needs to know about the VM's set; undefined without one. */
export async function customerKeyOf(plane: Plane, vm: Pick<Vm, 'internal'>): Promise<CustomerKey | undefined> {
  const id = vm.internal.model.diskEncryptionSet?.id
  if (id === undefined) return undefined
  const set = await plane.resources.get<SetInternal>(id)
  return { diskEncryptionSet: set.id, identity: actingIdentity(set) ?? set.id, keyIds: keysOf(set) }
}

/**
 * Before a boot: the guest state's key is usable as far as the set's identity can see. The release itself may still
 * fail.
 * @throws ServiceError with Azure's code; nothing was changed then
 */
export async function checkBoot(
  plane: Plane,
  asker: OnBehalfOf,
  internal: Pick<VmInternal, 'model' | 'customerKeyId'>,
): Promise<void> {
  const { model, customerKeyId } = internal
  if (model.diskEncryptionSet === undefined) return
  const set = await plane.resources.get<SetInternal>(model.diskEncryptionSet.id)
  const keyUrl = customerKeyId ?? set.internal.activeKey.keyUrl
  await plane.customerKeys.check({ set: keyUser(set), keyUrl, authority: attestationUri(model), asker })
}

/**
 * Locks the set's row until the transaction ends: a VM's start and a rotation, or the set's deletion, are serialised.
 * @throws ServiceError OperationNotAllowed while its key changes, ResourceNotFound
 */
export async function holdSet(plane: Plane, tx: Db, model: Pick<VmModel, 'diskEncryptionSet'>): Promise<void> {
  const id = model.diskEncryptionSet?.id
  if (id === undefined) return
  const set: DiskEncryptionSet = await plane.resources.getLocked<SetInternal>(tx, id)
  if (setState(set) === 'Updating') throw rotating(set)
}
