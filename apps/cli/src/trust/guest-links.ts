import { X509Certificate } from 'node:crypto'
import type { BootEvidence } from '@strongroom/contract'
import {
  bootPhases,
  isAttestationKey,
  parseEventLog,
  parseHclReport,
  parseTpm2bPublic,
  replay,
  verifyEventLog,
  verifyHclBinding,
  verifyQuote,
  type EventLog,
} from '@strongroom/evidence'
import { findKey, parseRuntimeClaims } from './claims.ts'
import { fromBase64Url, hex, sameBytes, sha256, sha256Hex } from './encoding.ts'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'
import type { SiliconFinding } from './silicon-link.ts'

export function guestStateLink(evidence: BootEvidence, counter: number): string[] {
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
  return [`VMGS, AES-256-GCM, generation ${generation} (counter at release ${counter}), fresh data key at this boot`]
}

interface RsaJwk {
  kid?: string
  n?: string
}

/** The AK that quotes is the one the attested claims bind, the vTPM's own report binds, and the installation certified. */
export async function vtpmLink(evidence: BootEvidence, silicon: SiliconFinding, caPem: string): Promise<string[]> {
  const ak = parseTpm2bPublic(fromBase64Url(evidence.vtpm.akPublic))
  const modulus = Buffer.from(akModulus(ak)).toString('base64url')
  const attested = findKey(parseRuntimeClaims(evidence), 'HCLAkPub').n
  demand({
    holds: attested === modulus,
    message: 'The AK is not the one that was attested.',
    expected: String(attested),
    actual: modulus,
  })
  const report = parseHclReport(fromBase64Url(evidence.vtpm.hclReport))
  await verifyHclBinding(report)
  const measured = await silicon.verifySibling(report.hardwareReport)
  demand({
    holds: sameBytes(measured, silicon.measurement),
    message: "The vTPM's report is of another guest.",
    expected: hex(silicon.measurement),
    actual: hex(measured),
  })
  const bound = (JSON.parse(Buffer.from(report.claims).toString()) as { keys?: RsaJwk[] }).keys?.find(
    (key) => key.kid === 'HCLAkPub',
  )?.n
  demand({
    holds: bound === modulus,
    message: "The AK is not the one in the vTPM's report.",
    expected: String(bound),
    actual: modulus,
  })
  const certificate = new X509Certificate(evidence.vtpm.akCertificatePem)
  const authority = new X509Certificate(caPem)
  demand({
    holds: certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
    message: "The AK's certificate is not of this installation's CA.",
    expected: authority.subject,
    actual: certificate.issuer,
  })
  const certified = certificate.publicKey.export({ format: 'jwk' }).n
  demand({
    holds: certified === modulus,
    message: 'The AK certificate is for another key.',
    expected: modulus,
    actual: String(certified),
  })
  return [
    `AK ${short(sha256Hex(Buffer.from(modulus, 'base64url')))} in HCL report and AK certificate (${certificate.subject.replaceAll('\n', ', ')})`,
  ]
}

const akModulus = (ak: ReturnType<typeof parseTpm2bPublic>): Uint8Array => {
  if (ak.key.kind !== 'rsa')
    throw new LinkRefused({ message: 'The AK is not an RSA key.', expected: 'RSA-2048', actual: ak.key.kind })
  if (!isAttestationKey(ak))
    throw new LinkRefused({
      message: 'The AK could sign what the vTPM did not make.',
      expected: 'restricted signing key, fixed to its TPM',
      actual: `attributes 0x${ak.attributes.toString(16)}`,
    })
  return ak.key.modulus
}

function measured(evidence: BootEvidence): NonNullable<BootEvidence['measuredBoot']> {
  if (evidence.measuredBoot === undefined) throw new LinkNotChecked('The guest has not reported since this boot.')
  return evidence.measuredBoot
}

/** Quote over a fresh nonce → PCRs → event log → the values predicted before the boot. */
export async function measuredBootLink(evidence: BootEvidence): Promise<string[]> {
  const boot = measured(evidence)
  const pcrs = new Map(
    Object.entries(boot.pcrs).map(([index, digest]) => [Number(index), new Uint8Array(Buffer.from(digest, 'hex'))]),
  )
  await verifyQuote({
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
      message: `The event log says nothing of PCR ${unlogged.join(', ')}.`,
      expected: 'PCRs 0 to 7',
    })
  await checkPcr11(log, quotedRegister(pcrs, 11))
  const shown: string[] = []
  for (const [index, expected] of Object.entries(evidence.expected.pcrs)) {
    const actual = boot.pcrs[index]
    demand({
      holds: actual === expected,
      message: `PCR ${index} is not the predicted one.`,
      expected,
      actual: String(actual),
    })
    shown.push(`PCR ${index} ${short(expected)}`)
  }
  return [
    `quote over nonce ${short(hex(fromBase64Url(boot.nonce)))} verified, ${log.events.length} events replay to PCRs 0-7 and 11`,
    `as predicted before the boot: ${shown.join(', ')}`,
  ]
}

function quotedRegister(pcrs: ReadonlyMap<number, Uint8Array>, index: number): Uint8Array {
  const value = pcrs.get(index)
  if (value === undefined)
    throw new LinkRefused({ message: `PCR ${index} is not in the quote.`, expected: 'PCRs 0 to 7 and 11' })
  return value
}

/** The firmware's log ends with the stub; systemd then extends the phases of the boot, whose digests are known. */
async function checkPcr11(log: EventLog, quoted: Uint8Array): Promise<void> {
  let value = (await replay(log, 'sha256')).get(11)
  if (value === undefined)
    throw new LinkRefused({ message: 'The event log has no unified kernel image.', expected: 'records of PCR 11' })
  for (const phase of bootPhases) value = sha256(Buffer.concat([value, sha256(Buffer.from(phase))]))
  demand({
    holds: sameBytes(value, quoted),
    message: 'PCR 11 is not what the event log and the boot phases give.',
    expected: hex(value),
    actual: hex(quoted),
  })
}

export function diskLink(evidence: BootEvidence): string[] {
  const boot = measured(evidence)
  if (evidence.osDisk.encryption === 'none')
    return ['OS disk as in the image: VMGuestStateOnly encrypts the guest state alone']
  const opened = evidence.osDisk.opened
  if (opened === undefined) throw new LinkRefused({ message: 'The guest did not say that its encrypted root is open.' })
  demand({
    holds: opened.cipher.includes('aes'),
    message: 'The root file system is not on an encrypted device.',
    expected: 'an AES device-mapper target',
    actual: opened.cipher,
  })
  return [
    `LUKS2 ${opened.luksUuid} on ${opened.device} (${opened.cipher}), sealed to this vTPM, PCR 7 and PCR 11, open since ${boot.reportedAt}`,
  ]
}
