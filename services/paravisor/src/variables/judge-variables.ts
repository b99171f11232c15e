import { createHash } from 'node:crypto'
import { equal, EvidenceError } from '@strongroom/evidence'
import {
  applySecureBootUpdate,
  parseSignatureLists,
  secureBootState,
  secureBootVariableNames,
  type EfiVariable,
  type SecureBootState,
  type SecureBootUpdate,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'
import { readConsent, type ConsentedUpdate } from './variable-consent.ts'
import type { RecordedUpdate, VariableRecord } from './variable-record.ts'

/** A VM's evidence carries all of them. */
const mostUpdates = 32

/** An update that the VM's owner gave to the resource manager. */
export interface OwnerUpdate {
  variable: SecureBootVariable
  signed: Uint8Array
}

/**
 * Which Secure Boot variables a VM's next boot has. From inside two must agree: a key that KEK or PK holds, whose
 * signature is verified here and not believed of the firmware, and the guest, whose MAC under the disk's key says that
 * it had opened the disk. Of dbx alone, which takes away and gives nothing, the guest's consent to what its firmware
 * appended is enough: so programs that know nothing of us update it. From the owner the signature counts. Whatever else
 * the store holds, an older dbx or keys of the host's, is ignored: the boot gets what is recorded.
 * @param o.found what the store holds
 */
export async function judgeVariables(o: {
  record: VariableRecord
  found: readonly EfiVariable[]
  volumeKey: Uint8Array
  owner: readonly OwnerUpdate[]
  at: Date
}): Promise<{ record: VariableRecord; notices: string[] }> {
  const { record } = o
  const found = secureBootState(o.found)
  const notices: string[] = []
  const updates: RecordedUpdate[] = []
  let { now } = record
  const take = async (update: SecureBootUpdate, by: RecordedUpdate['by']): Promise<void> => {
    try {
      if (record.updates.length + updates.length >= mostUpdates) throw new TooMany()
      const { state } = await applySecureBootUpdate(now, update)
      if (!accepts(state, record.authority)) throw new NotAccepted()
      now = state
      updates.push({ ...update, by, at: o.at.toISOString() })
    } catch (error) {
      if (!(error instanceof EvidenceError || error instanceof Refusal)) throw error
      notices.push(refused(update.variable, by, error.message))
    }
  }
  for (const each of consented(o, notices)) {
    const update = 'signed' in each ? each : appendedBy(each, { found, now })
    if (update === undefined) notices.push(refused('dbx', 'guest', 'dbx holds less than before, or something else'))
    else if (!isKnown(record.updates, update)) await take(update, 'guest')
  }
  for (const each of o.owner) if (!isKnown([...record.updates, ...updates], each)) await take(each, 'owner')
  const changed = secureBootVariableNames.filter((name) => !equal(found[name].data, record.now[name].data))
  const restored = changed.filter((name) => !equal(found[name].data, now[name].data))
  if (restored.length > 0)
    notices.push(
      `Secure Boot: ${restored.join(', ')} in the VM’s store ${restored.length === 1 ? 'was' : 'were'} changed by ` +
        'nobody who is entitled, or without the consent of the guest that runs from the VM’s disk, and restored.',
    )
  return { record: { ...record, updates: [...record.updates, ...updates], now }, notices }
}

class Refusal extends Error {}
class TooMany extends Refusal {
  constructor() {
    super(`a VM takes ${mostUpdates} updates`)
  }
}
class NotAccepted extends Refusal {
  constructor() {
    super('the VM’s boot file would not start any longer')
  }
}

/** Whether firmware with these variables still accepts the VM's boot file by the entry of db by which it did. */
function accepts({ db, dbx }: SecureBootState, authority: Uint8Array): boolean {
  const certificate = authority.subarray(16)
  const found = parseSignatureLists(db.data).find(({ content }) => equal(content, certificate))
  const revoked = parseSignatureLists(dbx.data).some(({ content }) => equal(content, certificate))
  return found !== undefined && equal(found.raw, authority) && !revoked
}

function consented(
  o: { record: VariableRecord; found: readonly EfiVariable[]; volumeKey: Uint8Array },
  notices: string[],
): ConsentedUpdate[] {
  const consent = readConsent(o.found, o.volumeKey)
  if (consent === 'none') return []
  const sequence = o.record.updates.length
  if (consent !== 'foreign' && consent.sequence === sequence) return consent.updates
  notices.push(
    consent === 'foreign'
      ? 'Secure Boot: an update was not laid down from inside the VM’s encrypted disk, and was not taken.'
      : `Secure Boot: an update is for the variables as they were after ${consent.sequence} updates, not ${sequence}, and was not taken.`,
  )
  return []
}

/** What the firmware appended to dbx, where the store holds what the guest consented to and that is what was there and more. */
function appendedBy(
  { digest }: ConsentedUpdate & { digest: string },
  { found, now }: { found: SecureBootState; now: SecureBootState },
): SecureBootUpdate | undefined {
  const [after, before] = [found.dbx.data, now.dbx.data]
  const isAsConsented = createHash('sha256').update(after).digest('hex') === digest
  if (!isAsConsented || !equal(after.subarray(0, before.length), before)) return undefined
  const appended = after.slice(before.length)
  try {
    if (parseSignatureLists(appended).length > 0) return { variable: 'dbx', appended }
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
  }
  return undefined
}

const isKnown = (known: readonly SecureBootUpdate[], update: SecureBootUpdate): boolean =>
  'signed' in update &&
  known.some((each) => 'signed' in each && each.variable === update.variable && equal(each.signed, update.signed))

const refused = (variable: SecureBootVariable, by: RecordedUpdate['by'], why: string): string =>
  `Secure Boot: an update of ${variable} from ${by === 'guest' ? 'inside the VM' : 'the VM’s owner'} was not taken: ${why}.`
