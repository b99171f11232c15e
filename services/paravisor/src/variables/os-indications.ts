import { efiVendor, parseVariableStore } from '@strongroom/evidence/expected'
import { flashOf } from '../firmware/uefi-variables.ts'
/**
 * A VM's UEFI variables without `OsIndications` (UEFI 2.10, section 8.5.4). The firmware would first start its menus, which no guest
 * has, and measure the attempt into PCR 4: the disk of a boot that nobody attacked stays locked.
 */
export async function withoutOsIndications(flash: Uint8Array): Promise<{ flash: Uint8Array; notices: string[] }> {
  const found = parseVariableStore(flash)
  const kept = found.filter(({ name, vendor }) => name !== 'OsIndications' || vendor !== efiVendor.global)
  if (kept.length === found.length) return { flash, notices: [] }
  return { flash: await flashOf(kept), notices: [notice] }
}

const notice =
  'UEFI: the variable OsIndications requested the firmware’s menus or a recovery, which the VM’s firmware does not have. ' +
  'It was removed: the attempt is measured into PCR 4, and the OS disk would not unlock.'
