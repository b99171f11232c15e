import type { BootFacts } from '@strongroom/contract'
import { fromBase64Url } from '@strongroom/evidence'
import { volumeRegister } from '@strongroom/evidence/expected'
import { deriveAsync, same, type Known } from '../provenance/known.ts'
import { LinkNotChecked, type Proof } from '../provenance/link.ts'
import { measuredHostKey, type Registers } from '../provenance/vtpm.ts'
import { fingerprint } from './fingerprint.ts'

/** What a guest measures that has none. */
export const noHostKey = 'none'

/**
 * The guest's SSH host key, as its agent measured it once SSH listened: whoever else answers at its port has another.
 * @param o.pinned host key of the last boot that the VM's owner trusted
 * @returns the key as in known_hosts, without a name, or `noHostKey`
 */
export async function hostKeyLink(
  evidence: Pick<BootFacts, 'guestRan' | 'measuredBoot' | 'osDisk'>,
  o: { registers: Known<Registers>; pinned: Known<string> | undefined; proof: Proof },
): Promise<Known<string>> {
  const { pinned, proof } = o
  if (evidence.guestRan === false) throw new LinkNotChecked('No guest ran, so there is no SSH host key.')
  const log = evidence.measuredBoot?.userspaceLog
  const found =
    log === undefined || !o.registers.value.has(volumeRegister)
      ? undefined
      : await measuredHostKey(fromBase64Url(log), o.registers)
  if (found?.value === undefined)
    throw new LinkNotChecked(
      'The guest measured no SSH host key, as agents of earlier images: whoever answers at its SSH port may be another ' +
        'machine. Recreate the VM from a current image.',
    )
  const hostKey = found.map(String)
  if (pinned !== undefined)
    proof.demand({
      code: 'HostKeyChanged',
      holds: same(hostKey, pinned),
      message:
        'The guest has another SSH host key than in the last boot that you trusted: another disk may run. If you changed it ' +
        'in the guest, accept it: strongroom vm trust --new-host-key.',
      expected: await fingerprint(pinned.value),
      actual: await describe(hostKey.value),
    })
  const register = hostKey.map(() => volumeRegister)
  if (hostKey.value === noHostKey) {
    proof.proves`the guest measured into PCR ${register} that it has no Ed25519 SSH host key`
    return hostKey
  }
  const print = await deriveAsync([hostKey], fingerprint)
  proof.proves`SSH host key ${print}, measured into PCR ${register} once SSH listened`
  if (evidence.osDisk.encryption === 'none')
    proof.informs('the OS disk is not encrypted: whoever has it has this key too')
  return hostKey
}

const describe = async (key: string): Promise<string> => (key === noHostKey ? 'none' : await fingerprint(key))
