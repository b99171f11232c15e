import {
  attestationKeyOf,
  concat,
  equal,
  fromBase64Url,
  fromHex,
  parseEventLog,
  replay,
  requireSameKey,
  toHex,
  utf8,
  verifyEventLog,
  verifyNvCertify,
  verifyQuote,
  type EventLog,
  type QuoteAttest,
  type RuntimeClaims,
} from '@strongroom/evidence'
import {
  bootPhases,
  launchIndex,
  parseUserspaceLog,
  readLaunchRecord,
  settingsRegister,
  settingsRegisterValue,
  verifySettings,
  verifySshHostKey,
  verifyVolume,
  volumeRegister,
  type GuestSettings,
  type LaunchRecord,
  type UserspaceRecord,
  type Volume,
} from '@strongroom/evidence/expected'
import { sha256 } from './bytes.ts'
import { vouch, type Known } from './known.ts'
import { LinkRefused, refuseUnless, short } from './link.ts'

/** Registers of a verified quote, SHA-256 bank. */
export type Registers = ReadonlyMap<number, Uint8Array>

/** The key that the attested claims bind. @throws VerificationError for another */
export function attestedKey(akPublic: Uint8Array, claims: Known<RuntimeClaims>): Known<Uint8Array> {
  requireSameKey(akPublic, attestationKeyOf(claims.value))
  return vouch(akPublic, claims)
}

/** @param pcrs as stated: hexadecimal, by register */
export async function quoted(o: {
  message: Uint8Array
  signature: Uint8Array
  nonce: Uint8Array
  pcrs: Record<string, string>
  ak: Known<Uint8Array>
}): Promise<{ attest: Known<QuoteAttest>; registers: Known<Registers> }> {
  const pcrs = new Map(Object.entries(o.pcrs).map(([index, digest]) => [Number(index), fromHex(digest)]))
  const { message, signature, nonce } = o
  const verified = await verifyQuote({ message, signature, nonce, akPublic: o.ak.value, pcrs })
  return { attest: vouch(verified.attest, 'vTPM', o.ak), registers: vouch(pcrs, 'vTPM', o.ak) }
}

/** What the paravisor wrote of its launch, where no guest writes. */
export async function certifiedLaunch(o: {
  message: Uint8Array
  signature: Uint8Array
  nonce: Uint8Array
  ak: Known<Uint8Array>
}): Promise<Known<LaunchRecord>> {
  const { ak, ...certified } = o
  const { contents } = await verifyNvCertify({ ...certified, akPublic: ak.value, index: launchIndex })
  return vouch(readLaunchRecord(contents), 'vTPM', ak)
}

/** A log is the host's word until it replays to quoted registers: 0 to 7, and 11 with the known phases of systemd. */
export async function replayedLog(raw: Uint8Array, registers: Known<Registers>): Promise<Known<EventLog>> {
  const log = parseEventLog(raw)
  const own = new Map([0, 1, 2, 3, 4, 5, 6, 7].map((index) => [index, registerOf(registers.value, index)]))
  const { unlogged } = await verifyEventLog({ log, bank: 'sha256', registers: own })
  if (unlogged.length > 0)
    throw new LinkRefused({
      message: `The event log does not cover PCR ${unlogged.join(', ')}.`,
      expected: 'PCRs 0 to 7',
    })
  await checkPcr11(log, registerOf(registers.value, 11))
  return vouch(log, registers)
}

/** @throws LinkRefused */
export function registerOf(registers: Registers, index: number): Uint8Array {
  const value = registers.get(index)
  if (value === undefined)
    throw new LinkRefused({ message: `PCR ${index} is not in the quote.`, expected: 'PCRs 0 to 7 and 11 to 13' })
  return value
}

/** The firmware's log ends with the stub; systemd then extends the boot phases, whose digests are known. */
async function checkPcr11(log: EventLog, found: Uint8Array): Promise<void> {
  let value = (await replay(log, 'sha256')).get(11)
  if (value === undefined)
    throw new LinkRefused({ message: 'The event log has no unified kernel image.', expected: 'records of PCR 11' })
  for (const phase of bootPhases) value = await sha256(concat(value, await sha256(utf8(phase))))
  refuseUnless(toHex(value) === toHex(found), {
    message: 'PCR 11 is not what the event log and the boot phases yield.',
    expected: toHex(value),
    actual: toHex(found),
  })
}

/**
 * What the guest settled: text whose digest is in PCR 14.
 * @throws LinkRefused with `otherwise` as the register to expect and a remedy
 */
export async function measuredSettings(o: {
  settled: Uint8Array
  registers: Known<Registers>
  expected: string | undefined
  remedy: string
}): Promise<Known<GuestSettings>> {
  const found = o.registers.value.get(settingsRegister) ?? new Uint8Array()
  try {
    return vouch(await verifySettings({ settled: o.settled, quoted: found }), o.registers)
  } catch (error) {
    const own = toHex(await settingsRegisterValue(o.settled))
    if (own === toHex(found)) throw error
    throw new LinkRefused({
      message: `The guest set up other accounts, keys or data than those (PCR ${settingsRegister}). ${o.remedy}`,
      expected: o.expected ?? own,
      actual: toHex(found),
      cause: error,
    })
  }
}

/**
 * The volume that the initrd opened: PCR 15 begins with the digest of how it was mapped, including a MAC under its key.
 * Neither the disk's header nor the guest is consulted.
 * @param o.log of user space: the host's word, unless it replays
 * @param o.digest the expected one, hexadecimal
 */
export async function measuredVolume(o: {
  log: Uint8Array
  registers: Known<Registers>
  digest: string
}): Promise<{ volume: Known<Volume>; digest: Known<string> }> {
  const found = registerOf(o.registers.value, volumeRegister)
  const log = parseUserspaceLog(o.log)
  const volume = await verifyVolume({ log, quoted: found, expected: fromHex(o.digest) })
  return { volume: vouch(volume, o.registers), digest: vouch(o.digest, o.registers) }
}

/** The SSH host key that the guest measured first into PCR 15; its value is undefined if it measured none. */
export async function measuredHostKey(
  log: Uint8Array,
  registers: Known<Registers>,
): Promise<Known<string | undefined>> {
  const found = registerOf(registers.value, volumeRegister)
  return vouch(await verifySshHostKey({ log: parseUserspaceLog(log), quoted: found }), registers)
}

/** What a verifier takes for the VM's volume who pinned none. */
export const firstSeenVolume = (digest: Known<string>): Known<string> => vouch(digest.value, digest, 'first use')

/** The verifier's own random bytes, which the TPM signed. */
export const challenge = (nonce: Uint8Array): Known<Uint8Array> => vouch(nonce, 'verifier')

/** @throws LinkRefused for a register that was not quoted */
export const isPredicted = (
  predicted: Known<Record<number, Uint8Array>>,
  registers: Known<Registers>,
  index: number,
): Known<boolean> =>
  vouch(equal(predicted.value[index] ?? new Uint8Array(), registerOf(registers.value, index)), predicted, registers)

/** False for a register that either quote lacks. */
export function sameRegister(a: Known<Registers>, b: Known<Registers>, index: number): Known<boolean> {
  const [one, other] = [a.value.get(index), b.value.get(index)]
  return vouch(one !== undefined && other !== undefined && equal(one, other), a, b)
}

/**
 * What was measured into PCR 15 since a report: the records begin with the report's, and replay to the later quote. Also that
 * no second SSH host key was measured.
 * @param o.reported log of the report, and `log` the later one: the host's word, unless they replay
 */
export async function measuredSince(o: {
  reported: string | undefined
  log: string
  before: Known<Registers>
  now: Known<Registers>
}): Promise<Known<string[]>> {
  const log = recordsOf(o.log)
  const reportedCount = o.reported === undefined ? 0 : recordsOf(o.reported).length
  let value: Uint8Array = new Uint8Array(32)
  for (const { digest } of log.slice(0, reportedCount)) value = await sha256(concat(value, digest))
  const reported = o.before.value.get(volumeRegister)
  refuseUnless(reported !== undefined && equal(value, reported), {
    code: 'RegisterMoved',
    message: `PCR ${volumeRegister} does not begin with what the boot report has.`,
    expected: reported === undefined ? 'no such register' : toHex(reported),
    actual: toHex(value),
  })
  await verifySshHostKey({ log, quoted: o.now.value.get(volumeRegister) ?? new Uint8Array() })
  const later = log.slice(reportedCount)
  return vouch(
    later.map(({ text, digest }) => `“${text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 80)}” ${short(toHex(digest))}`),
    o.before,
    o.now,
  )
}

const recordsOf = (log: string): UserspaceRecord[] =>
  parseUserspaceLog(fromBase64Url(log)).filter(({ pcr }) => pcr === volumeRegister)
