import type { BootFacts } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import { verifyBootFile, type BootFile, type BootFileDocument } from '@strongroom/evidence/expected'
import type { Logger } from '@strongroom/platform'
import type { ExpectedPcrs } from '../expected/boot-files.ts'
import { publisherName } from '../expected/publisher.ts'
import { openSlot } from '../tpm/boot-updates.ts'
import type { AdmittedBoots, FoundUpdates } from '../tpm/disk-key.ts'

/** An update of the boot file that may start, and its boot's measurements. */
export interface AdmittedUpdate {
  /** As its publisher signed it. */
  jws: string
  /** DER, of the publisher. */
  certificate: Uint8Array
  document: BootFileDocument
  expected: ExpectedPcrs
}

/**
 * Which boot-file updates a VM's disk opens for. Two must agree: the image's publisher, who signed the document, and
 * the guest, whose MAC under the disk's key shows that it was installed from inside. So neither a host nor a holder of
 * the publisher's key can introduce another kernel. The generation of the default boot file, which the guest sets after
 * a reported boot of it, becomes the minimum: what was superseded for security cannot return.
 * @param o.certificates DER, the image's, one of which may be the publisher's
 * @param o.predict what a boot of this file measures under the VM's own UEFI variables
 */
export async function judgeUpdates(
  found: FoundUpdates,
  o: { certificates: Uint8Array[]; predict: (update: BootFile) => Promise<ExpectedPcrs>; logger: Logger },
): Promise<{ admitted: AdmittedBoots; updates: AdmittedUpdate[] }> {
  const certificate = o.certificates.find((each) => publisherName(each) === found.rules.publisher)
  const verified: ({ jws: string; certificate: Uint8Array; document: BootFileDocument } | undefined)[] = []
  for (const slot of found.slots) verified.push(certificate && (await verifySlot(slot, found, certificate, o.logger)))
  const [asDefault] = verified
  const lowest = Math.max(found.rules.lowest, asDefault?.document.generation ?? 0)
  const updates: AdmittedUpdate[] = []
  for (const update of verified) {
    if (update === undefined || update.document.generation < lowest) continue
    const expected = await o.predict(update.document.bootFile)
    // From the boot's own signer and the variables that the VM was created with: a host that switches Secure Boot off gets no update.
    if (equal(expected.atUnlock[7], found.image[7])) updates.push({ ...update, expected })
  }
  const admitted = { image: lowest === 0, updates: updates.map(({ expected }) => expected.atUnlock), lowest }
  return { admitted, updates }
}

async function verifySlot(
  slot: Uint8Array,
  found: FoundUpdates,
  certificate: Uint8Array,
  logger: Logger,
): Promise<{ jws: string; certificate: Uint8Array; document: BootFileDocument } | undefined> {
  const opened = openSlot(slot, found.key.volumeKey)
  if (opened === undefined) return undefined
  if (opened === 'foreign') {
    logger.warn('a boot file was not laid down from inside the encrypted disk: it is not admitted')
    return undefined
  }
  const { jws } = opened
  try {
    const document = await verifyBootFile({ jws, certificate })
    if (document.image === found.rules.image) return { jws, certificate, document }
    logger.warn({ image: document.image }, 'a boot file is for another image: it is not admitted')
  } catch (error) {
    logger.warn({ err: error }, 'the document of a boot file does not verify: it is not admitted')
  }
  return undefined
}

/** The update that the firmware started, according to its measurements, with its evidence; undefined if it is none of them. */
export function startedUpdate(
  updates: readonly AdmittedUpdate[],
  registers: ReadonlyMap<number, Uint8Array>,
):
  | (AdmittedUpdate & { shown: { facts: Pick<BootFacts, 'update'>; expected: Pick<BootFacts['expected'], 'pcrs'> } })
  | undefined {
  const started = registers.get(4)
  const update = updates.find(({ expected }) => started !== undefined && equal(expected.atReady[4], started))
  if (update === undefined) return undefined
  const facts = { update: { document: update.jws, certificate: Buffer.from(update.certificate).toString('base64url') } }
  const pcrs = Object.entries(update.expected.atReady).map(([index, value]) => [index, toHex(value)])
  return { ...update, shown: { facts, expected: { pcrs: Object.fromEntries(pcrs) as Record<string, string> } } }
}
