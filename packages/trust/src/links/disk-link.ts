import type { BootFacts } from '@strongroom/contract'
import { fromBase64Url } from '@strongroom/evidence'
import { firmwareRegister, volumeRegister, type Volume } from '@strongroom/evidence/expected'
import type { KnownAsked } from '../provenance/asked.ts'
import { derive, same, type Known } from '../provenance/known.ts'
import { LinkNotChecked, LinkRefused, refuseUnless, short, type Proof } from '../provenance/link.ts'
import { firstSeenVolume, measuredVolume, type Registers } from '../provenance/vtpm.ts'
import { measuredBootOf } from './measured-boot-link.ts'

/**
 * The volume is the one that the VM was created with, as pinned at the first boot that its verifier trusted. Once its owner replaced the
 * volume key, it is another one than that, whose key lies in the VM's vTPM too.
 * @returns the digest to pin; undefined if the disk is not encrypted
 */
export async function diskLink(
  evidence: BootFacts,
  o: Pick<KnownAsked, 'encryption' | 'volume' | 'rekeyed'> & { registers(): Known<Registers>; proof: Proof },
): Promise<Known<string> | undefined> {
  const { encryption, proof } = o
  if (evidence.guestRan === false) throw new LinkNotChecked('No guest ran, so there is no disk to unlock.')
  const boot = measuredBootOf(evidence)
  const wanted = encryption.map((asked) => (asked === 'DiskWithVMGuestState' ? 'LUKS2' : 'none'))
  refuseUnless(evidence.osDisk.encryption === wanted.value, {
    message: `The OS disk is not encrypted as requested (${encryption.value}).`,
    expected: wanted.value,
    actual: evidence.osDisk.encryption,
  })
  if (wanted.value === 'none') {
    proof.proves`OS disk as in the image: ${encryption} does not encrypt it`
    return undefined
  }
  const isPinned = o.volume !== undefined && o.rekeyed === undefined
  const digest = isPinned ? o.volume?.value : evidence.expected.volume
  if (digest === undefined || boot.pcrs[volumeRegister] === undefined || boot.userspaceLog === undefined) {
    throw new LinkRefused({
      message: 'Nothing proves that the disk is the one this VM was created with.',
      expected: `its digest, and a quote of PCR ${volumeRegister}`,
      actual: digest === undefined ? 'a VM created by an earlier version: recreate it' : 'no such quote',
    })
  }
  const registers = o.registers()
  const log = fromBase64Url(boot.userspaceLog)
  const found = await measuredVolume({ log, registers, digest })
  proof.proves`${derive([found.volume, found.digest], volumeText)}`
  const { keyPcrs } = evidence.osDisk
  if (Array.isArray(keyPcrs)) proof.informs(policyText(registersOfTpm.filter((index) => keyPcrs.includes(index))))
  if (o.volume === undefined) {
    proof.proves`${firstSeenVolume(found.digest).map(short)} is seen for the first time: no pinned volume to compare it with`
    proof.informs('the volume that this VM was created with')
  } else if (o.rekeyed !== undefined) {
    proof.demand({
      holds: derive([found.digest, o.volume], (now, before) => now !== before),
      message: `After your \`vm rekey\` of ${o.rekeyed.value}, this boot opened the volume of before.`,
      expected: `not ${o.volume.value}`,
      actual: found.digest.value,
    })
    proof.proves`${derive([o.rekeyed, firstSeenVolume(found.digest), o.volume], replacedText)}`
  } else {
    proof.demand({
      holds: same(found.digest, o.volume),
      message: 'The OS disk is not the one of the first boot that you trusted.',
      expected: o.volume.value,
      actual: found.digest.value,
    })
    proof.proves`${o.volume.map(short)} is the volume of the first boot that you trusted`
  }
  return found.digest
}

const registersOfTpm = Array.from({ length: 24 }, (_, index) => index)

const volumeText = ({ luksUuid, cipher, keyBits, count }: Volume, digest: string): string =>
  `LUKS2 ${luksUuid} mapped as ${cipher}, ${keyBits}-bit key, measured into PCR ${volumeRegister} ` +
  `(${short(digest)}) before it was mounted` +
  (count === undefined ? '' : `; boot ${count} by the counts of disk and vTPM, which agree`)

const replacedText = (at: string, now: string, before: string): string =>
  `the volume key was replaced by your \`vm rekey\` of ${at}: ${short(now)} is seen for the first time, in place of ${short(before)}`

/** The policy of its key, which the paravisor wrote before this boot; of a VM whose image is older than that, without PCR 0. */
const policyText = (named: readonly number[]): string =>
  `its key is readable from this vTPM under PCRs ${named.join(', ')}` +
  (named.includes(firmwareRegister) ? '' : ': not PCR 0, which the initrd of this VM’s image does not name')
