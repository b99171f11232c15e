import { attestationKeyUsage, type BootEvidence, type BootFacts } from '@strongroom/contract'
import {
  attestationKeyOf,
  concat,
  describeKey,
  describeName,
  equal,
  eventTypes,
  fromBase64Url,
  fromHex,
  parseCertificate,
  parseEventLog,
  parseHclReport,
  parsePem,
  parseRuntimeClaims,
  replay,
  requireSameKey,
  toHex,
  utf8,
  verifyEventLog,
  verifyHclBinding,
  verifyPath,
  verifyQuote,
  type Certificate,
  type EventLog,
  type TrustAnchor,
} from '@strongroom/evidence'
import {
  bootPhases,
  bootRegisters,
  parseUserspaceLog,
  predictImageRegisters,
  verifyVolume,
  volumeRegister,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import { sha256 } from './bytes.ts'
import { readClaims } from './claims-link.ts'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'
import { restoreShown, type AskedBackup } from './backup/restored.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** @param asked see `restoreShown` */
export function guestStateLink(
  evidence: BootEvidence,
  counter: number,
  asked: AskedBackup | null | undefined,
): string[] {
  const { generation, freshDataKey } = evidence.guestState
  demand({
    holds: generation >= counter,
    message: 'The guest state is older than the key service last saw.',
    expected: `generation ${counter} or later`,
    actual: `generation ${generation}`,
  })
  demand({
    holds: freshDataKey,
    message: 'The guest state was not re-encrypted under a fresh data key.',
    expected: 'a fresh key',
    actual: 'a stored one',
  })
  return [
    `VMGS, AES-256-GCM, generation ${generation} (counter at release ${counter}), fresh data key at this boot`,
    ...restoreShown(evidence, generation, asked),
  ]
}

/** The AK that quotes is the one bound by the attested claims and by the vTPM's report, and certified by the installation. */
export async function vtpmLink(
  evidence: BootFacts,
  silicon: SiliconFinding,
  /** `at`: the time at which certificates are judged. */
  authority: { certificate: Certificate; root: TrustAnchor; at: Date },
): Promise<string[]> {
  const akPublic = fromBase64Url(evidence.vtpm.akPublic)
  const attested = attestationKeyOf(readClaims(evidence))
  requireSameKey(akPublic, attested)
  const report = parseHclReport(fromBase64Url(evidence.vtpm.hclReport))
  await verifyHclBinding(report)
  const measured = await silicon.verifySibling(report.hardwareReport)
  demand({
    holds: equal(measured, silicon.measurement),
    message: "The vTPM's report belongs to another guest.",
    expected: toHex(silicon.measurement),
    actual: toHex(measured),
  })
  requireSameKey(akPublic, attestationKeyOf(parseRuntimeClaims(report.claims)))
  const certificate = parseCertificate(parsePem(evidence.vtpm.akCertificatePem)[0] ?? new Uint8Array())
  await verifyPath({
    chain: [certificate, authority.certificate],
    anchors: [authority.root],
    at: authority.at,
  })
  const certified = certificate.publicKey
  demand({
    holds: certified.kind === 'RSA' && attested.kind === 'rsa' && equal(certified.modulus, attested.modulus),
    message: 'The AK certificate is for another key.',
    expected: describeKey(attested),
    actual: certified.kind,
  })
  const usages = certificate.extendedKeyUsage ?? []
  demand({
    // The CA certifies TLS and release keys as well: only a certificate for attestation keys qualifies.
    holds: usages.length === 1 && usages[0] === attestationKeyUsage,
    message: 'The certificate is not for an attestation key.',
    expected: `extended key usage ${attestationKeyUsage} alone`,
    actual: usages.join(', ') || 'none',
  })
  demand({
    holds: certificate.subject.commonName === evidence.vmId,
    message: 'The AK certificate belongs to another VM.',
    expected: evidence.vmId,
    actual: certificate.subject.commonName ?? 'no name',
  })
  return [
    `AK ${describeKey(attested)} in attested claims, HCL report and certificate (${describeName(certificate.subject)})`,
  ]
}

function measured(evidence: BootFacts): NonNullable<BootFacts['measuredBoot']> {
  if (evidence.measuredBoot === undefined) throw new LinkNotChecked('The guest has not reported since this boot.')
  return evidence.measuredBoot
}

/** Quote over a fresh nonce → PCRs → event log → the values that the verifier predicts from the image's measurements. */
export async function measuredBootLink(
  evidence: BootFacts,
  o: { measurements: ImageMeasurements; secureBoot: boolean },
): Promise<string[]> {
  const boot = measured(evidence)
  const pcrs = new Map(Object.entries(boot.pcrs).map(([index, digest]) => [Number(index), fromHex(digest)]))
  const { attest } = await verifyQuote({
    message: fromBase64Url(boot.quoteMessage),
    signature: fromBase64Url(boot.quoteSignature),
    akPublic: fromBase64Url(evidence.vtpm.akPublic),
    nonce: fromBase64Url(boot.nonce),
    pcrs,
  })
  const log = parseEventLog(fromBase64Url(boot.eventLog))
  const registers = new Map([0, 1, 2, 3, 4, 5, 6, 7].map((index) => [index, quotedRegister(pcrs, index)]))
  const { unlogged } = await verifyEventLog({ log, bank: 'sha256', registers })
  if (unlogged.length > 0)
    throw new LinkRefused({
      message: `The event log does not cover PCR ${unlogged.join(', ')}.`,
      expected: 'PCRs 0 to 7',
    })
  await checkPcr11(log, quotedRegister(pcrs, 11))
  // A machine's tables are predicted by its own paravisor: the disk's key can be read only under that prediction.
  const said = evidence.expected.pcrs[1]
  const machine = said === undefined ? undefined : fromHex(said)
  const predicted = await predictImageRegisters({ ...o.measurements, secureBoot: o.secureBoot, machine })
  const shown = bootRegisters.map((index) => {
    const [expected, actual] = [toHex(predicted[index]), toHex(quotedRegister(pcrs, index))]
    demand({
      code: 'RegisterNotPredicted',
      holds: actual === expected,
      message: `PCR ${index} is not what image ${o.measurements.image.id} yields with Secure Boot ${o.secureBoot ? 'on' : 'off'}: ${meanings[index]}.${asSaid(evidence, index, actual)}`,
      expected,
      actual,
    })
    return `PCR ${index} ${short(expected)}`
  })
  const without = evidence.guestRan === false ? [noGuest] : []
  return [
    ...without,
    `quote over nonce ${short(toHex(fromBase64Url(boot.nonce)))} verified, ${log.events.length} events replay to PCRs 0-7 and 11`,
    `as predicted here from the image’s measurements, with Secure Boot ${o.secureBoot ? 'on' : 'off'}: ${shown.join(', ')}`,
    `the vTPM’s firmware version, as it reports: ${versionOf(attest.firmwareVersion)}${program(evidence)}`,
    ...(evidence.guestRan === false
      ? []
      : [`the UEFI firmware’s version, as it reports (PCR 0): ${(await firmwareOf(log)) ?? 'none'}`]),
  ]
}

/** Nothing measures the program: its version is the host's word. */
const program = ({ vtpm }: BootFacts): string =>
  typeof vtpm.program === 'string' ? `; the host reports ${printable(vtpm.program)}` : ''

/** As tpm2_getcap prints it: two words of TPM2_PT_FIRMWARE_VERSION. */
const versionOf = (version: bigint): string => {
  const hex = version.toString(16).padStart(16, '0')
  return `${hex.slice(0, 8)}.${hex.slice(8)}`
}

/** EV_S_CRTM_VERSION (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1): in PCR 0, UTF-16. */
async function firmwareOf({ events }: EventLog): Promise<string | undefined> {
  const event = events.find(({ pcr, type }) => pcr === 0 && type === eventTypes.EV_S_CRTM_VERSION)
  const digest = event?.digests.get('sha256')
  // A log's text next to a digest counts only if the digest is of that text.
  if (event === undefined || digest === undefined || !equal(digest, await sha256(event.data))) return undefined
  return printable(new TextDecoder('utf-16le').decode(event.data))
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 80)

/** What a difference in a register means. */
const meanings: Record<(typeof bootRegisters)[number], string> = {
  1: 'the VM has other devices or ACPI tables than predicted',
  2: 'a device supplied a driver',
  3: 'a driver was configured',
  4: 'another boot loader or kernel was started',
  6: 'the platform’s maker or the host added to the boot',
  7: 'Secure Boot was in another state, or trusted other keys',
  11: 'another kernel, initrd or command line ran, or the boot took another path',
  12: 'the host passed a command line or credentials to the boot stub',
  13: 'the host passed extension images to the boot stub',
}

/** The host's own prediction decides nothing; agreement with the quote shows that the host expected this boot. */
const asSaid = (evidence: BootFacts, index: number, actual: string): string =>
  evidence.expected.pcrs[index] === actual ? ' The host predicted exactly that.' : ''

function quotedRegister(pcrs: ReadonlyMap<number, Uint8Array>, index: number): Uint8Array {
  const value = pcrs.get(index)
  if (value === undefined)
    throw new LinkRefused({ message: `PCR ${index} is not in the quote.`, expected: 'PCRs 0 to 7 and 11 to 13' })
  return value
}

/** The firmware's log ends with the stub; systemd then extends the boot phases, whose digests are known. */
async function checkPcr11(log: EventLog, quoted: Uint8Array): Promise<void> {
  let value = (await replay(log, 'sha256')).get(11)
  if (value === undefined)
    throw new LinkRefused({ message: 'The event log has no unified kernel image.', expected: 'records of PCR 11' })
  for (const phase of bootPhases) value = await sha256(concat(value, await sha256(utf8(phase))))
  demand({
    holds: equal(value, quoted),
    message: 'PCR 11 is not what the event log and the boot phases yield.',
    expected: toHex(value),
    actual: toHex(quoted),
  })
}

const noGuest = 'no guest ran: the host extended the vTPM with the log it predicted'

/** @param o.volume digest of the volume at the first boot that the creator trusted, if pinned */
export async function diskLink(
  evidence: BootFacts,
  { encryption: asked, volume }: { encryption: string; volume?: string | undefined },
): Promise<string[]> {
  if (evidence.guestRan === false) throw new LinkNotChecked('No guest ran, so there is no disk to unlock.')
  const boot = measured(evidence)
  const wanted = asked === 'DiskWithVMGuestState' ? 'LUKS2' : 'none'
  demand({
    holds: evidence.osDisk.encryption === wanted,
    message: `The OS disk is not encrypted as requested (${asked}).`,
    expected: wanted,
    actual: evidence.osDisk.encryption,
  })
  if (evidence.osDisk.encryption === 'none') return [`OS disk as in the image: ${asked} does not encrypt it`]
  return [
    await volumeOf(evidence, boot, volume),
    volume === undefined
      ? 'the volume that, according to the host, this VM was created with'
      : 'the volume of the first boot that you trusted',
  ]
}

/**
 * The volume is the one that the VM was created with: PCR 15, which the quote covers, begins with the digest of how it
 * was mapped, including a MAC under its key. Neither the disk's header nor the guest is consulted.
 */
async function volumeOf(
  evidence: BootFacts,
  boot: NonNullable<BootFacts['measuredBoot']>,
  pinned: string | undefined,
): Promise<string> {
  const volume = pinned ?? evidence.expected.volume
  const quoted = boot.pcrs[String(volumeRegister)]
  if (volume === undefined || quoted === undefined || boot.userspaceLog === undefined) {
    throw new LinkRefused({
      message: 'Nothing proves that the disk is the one this VM was created with.',
      expected: `the volume's digest at provisioning, and a quote of PCR ${volumeRegister}`,
      actual: volume === undefined ? 'a VM created by an earlier version: recreate it' : 'no such quote',
    })
  }
  const log = parseUserspaceLog(fromBase64Url(boot.userspaceLog))
  const opened = await verifyVolume({ log, quoted: fromHex(quoted), expected: fromHex(volume) })
  return (
    `LUKS2 ${opened.luksUuid} mapped as ${opened.cipher}, ${opened.keyBits}-bit key, measured into PCR ${volumeRegister} ` +
    `(${short(volume)}) before it was mounted; its key is readable from this vTPM under PCRs 4, 7, 11, 12 and 13`
  )
}
