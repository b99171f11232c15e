import { equal } from '@strongroom/evidence'
import { parseVariableStore, type EfiVariable } from '@strongroom/evidence/expected'
import { flashOf } from './uefi-variables.ts'

/** The variable by which the initrd knows its vTPM's endorsement key (recipes/common/salted-session). */
const [name, vendor] = ['StrongroomEndorsementKey', '5a1e0000-0000-4000-8000-0000000000ec'] as const
/** EFI_VARIABLE_NON_VOLATILE, _BOOTSERVICE_ACCESS and _RUNTIME_ACCESS. */
const attributes = 7

/**
 * Lays the certificate of the vTPM's endorsement key among the VM's UEFI variables, which are compared in the machine's memory before
 * it runs: the initrd encrypts the salt of its TPM session to this key. One that the host names would read the disk's key (attack H43).
 * @param certificate DER
 */
export async function withEndorsementKey(flash: Uint8Array, certificate: Uint8Array): Promise<Uint8Array> {
  const found = parseVariableStore(flash)
  const isKey = (each: EfiVariable): boolean => each.vendor === vendor
  const [only, second] = found.filter(isKey)
  if (only?.name === name && second === undefined && equal(only.data, certificate)) return flash
  const key = { name, vendor, attributes, timestamp: new Uint8Array(16), data: certificate }
  return await flashOf([...found.filter((each) => !isKey(each)), key])
}
