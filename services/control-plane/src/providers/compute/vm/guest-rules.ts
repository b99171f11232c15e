import type { ImageRecord } from '@strongroom/contract'
import { unsupported } from '../../../arm/refusals.ts'
import type { Problem } from '../../../arm/fields.ts'
import { accountProblems } from './account/account-rules.ts'
import { findRegion } from '../../../arm/regions.ts'
import type { VmRequest } from './model/requested-vm.ts'
import { bad } from './security-table.ts'

/** Everything about disk, guest account and unsupported settings. */
export function guestProblems(r: VmRequest, o: { image: ImageRecord | undefined; specialised: boolean }): Problem[] {
  const problems: Problem[] = r.unsupported.map((u) =>
    unsupported(u.path, u.reason, { remedy: u.remedy, ...(u.rule !== undefined && { rule: u.rule }) }),
  )
  if (r.osDisk.deleteOption === 'Detach') {
    problems.push(
      unsupported(
        'properties.storageProfile.osDisk.deleteOption',
        'A confidential OS disk cannot outlive its VM: the key that opens it is destroyed with the VM.',
        { expected: 'Delete', found: 'Detach', remedy: 'Use Delete, or leave deleteOption out.' },
      ),
    )
  }
  const zones = findRegion(r.location)?.zones ?? []
  if (r.zones.length > 1 || r.zones.some((zone) => !zones.includes(zone))) {
    problems.push({
      code: 'InvalidAvailabilityZone',
      message:
        `The zone(s) '${r.zones.join(',').slice(0, 40)}' for resource is not supported. The supported zones for ` +
        `location '${r.location}' are '${zones.join(',')}'`,
      target: 'zones',
      expected: `one of ${zones.join(', ')}`,
      found: r.zones.join(',').slice(0, 40),
      rule: 'S24',
    })
  }
  return [...problems, ...(o.specialised ? [] : accountProblems(r)), ...imageProblems(r, o.image)]
}

function imageProblems(r: VmRequest, image: ImageRecord | undefined): Problem[] {
  const target = 'properties.storageProfile.imageReference'
  if (r.image === undefined)
    return [
      bad("Required parameter 'imageReference' is missing (null).", {
        target,
        expected: 'publisher, offer, sku and version, or id',
      }),
    ]
  if (image === undefined) return []
  const problems: Problem[] = []
  const least = Math.ceil(image.sizeBytes / 2 ** 30)
  if (r.osDisk.sizeGiB !== undefined && r.osDisk.sizeGiB < least) {
    problems.push({
      code: 'OperationNotAllowed',
      status: 400,
      message:
        `The specified disk size ${r.osDisk.sizeGiB} GB is smaller than the size of the corresponding disk in the ` +
        `VM image: ${least} GB. This is not allowed. Please choose equal or greater size or do not specify an ` +
        'explicit size.',
      target: 'properties.storageProfile.osDisk.diskSizeGB',
      expected: `at least ${least}`,
      found: String(r.osDisk.sizeGiB),
    })
  }
  return problems
}
