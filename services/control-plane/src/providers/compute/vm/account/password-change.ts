import { unchangeable } from '../../../../arm/refusals.ts'
import type { Problem } from '../../../../arm/fields.ts'
import type { Passwords } from '../../../../store/passwords.ts'
import type { Vm } from '../model/vm-model.ts'

/** The account belongs to the guest from its first boot on: the same password again changes nothing, another one is refused. */
export async function passwordChangeProblems(
  passwords: Passwords,
  vm: Vm,
  given: string | undefined,
): Promise<Problem[]> {
  const kept = vm.internal.model.osProfile.password
  if (given === undefined) return []
  if (kept !== undefined && (await passwords.matches(given, kept, vm.internal.vmId))) return []
  return [
    unchangeable('osProfile.adminPassword', {
      expected: kept === undefined ? 'no password' : 'the password at creation',
      found: kept === undefined ? 'a password' : 'another password',
      remedy: 'Change it in the guest: passwd.',
    }),
  ]
}
