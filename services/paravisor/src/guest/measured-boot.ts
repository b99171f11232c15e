import type { BootEvidence } from '@strongroom/contract'
import {
  equal,
  EvidenceError,
  parseEventLog,
  replay,
  toHex,
  VerificationError,
  verifyQuote,
} from '@strongroom/evidence'
import { parseUserspaceLog, verifyVolume, volumeRegister, type Volume } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'
import type { BootReport } from './boot-report.ts'

export interface ExpectedRegisters {
  /** By register, when the guest reports. */
  atReady: Record<number, Uint8Array>
  /** By register, what the firmware's log replays to, without later extensions by the operating system. */
  firmwareLog: Record<number, Uint8Array>
}

/** Registers that only the firmware extends: the log must replay to them. */
const firmwareRegisters = [0, 1, 2, 3, 4, 5, 6, 7] as const

/**
 * Verifies a guest's boot report: the quote is from this vTPM's attestation key over this boot's nonce, the log replays
 * to the quoted registers, and those equal the predicted ones.
 * @throws ServiceError BootReportRefused
 */
export async function verifyBootReport(o: {
  report: BootReport
  nonce: Uint8Array
  akPublic: Uint8Array
  expected: ExpectedRegisters
  encrypted: boolean
  /** Digest of the volume that the VM was created with; absent without encryption. */
  volume?: Uint8Array
  at: Date
}): Promise<{
  measuredBoot: NonNullable<BootEvidence['measuredBoot']>
  opened?: Volume
}> {
  const { report } = o
  if (!equal(report.nonce, o.nonce)) throw refused('its nonce is not of this boot', toHex(o.nonce), toHex(report.nonce))
  try {
    await verifyQuote({
      message: report.quoteMessage,
      signature: report.quoteSignature,
      akPublic: o.akPublic,
      nonce: o.nonce,
      pcrs: report.pcrs,
    })
  } catch (error) {
    throw refused(
      `its quote does not verify (${(error as Error).message})`,
      'a quote by the attestation key of this vTPM',
      'another',
    )
  }
  await verifyLog(report, o.expected)
  for (const [index, expected] of Object.entries(o.expected.atReady)) {
    const found = report.pcrs.get(Number(index))
    if (found === undefined || !equal(found, expected)) {
      throw refused(
        `PCR ${index} is not the predicted one`,
        toHex(expected),
        found === undefined ? 'not quoted' : toHex(found),
      )
    }
  }
  let opened: Volume | undefined
  if (o.encrypted) {
    if (o.volume === undefined)
      throw refused(
        'the record of the volume this VM was created with is missing',
        'a VM created by this version',
        'an older one',
      )
    opened = await verifyOpened(report, o.volume)
  }
  return {
    measuredBoot: {
      reportedAt: o.at.toISOString(),
      nonce: base64url(o.nonce),
      quoteMessage: base64url(report.quoteMessage),
      quoteSignature: base64url(report.quoteSignature),
      pcrs: Object.fromEntries([...report.pcrs].map(([index, value]) => [index, toHex(value)])),
      eventLog: base64url(report.eventLog),
      ...(report.userspaceLog && { userspaceLog: base64url(report.userspaceLog) }),
    },
    ...(opened && { opened }),
  }
}

/**
 * The initrd opened the volume that this VM was created with, in the measured form: neither the disk's header nor the
 * guest's word decides how it is encrypted.
 */
async function verifyOpened(report: BootReport, volume: Uint8Array): Promise<Volume> {
  const quoted = report.pcrs.get(volumeRegister)
  if (quoted === undefined || report.userspaceLog === undefined) {
    throw refused(
      `it does not contain PCR ${volumeRegister}, which identifies the unlocked volume`,
      `PCR ${volumeRegister} and the userspace log`,
      quoted === undefined ? 'not quoted' : 'no log',
    )
  }
  try {
    return await verifyVolume({ log: parseUserspaceLog(report.userspaceLog), quoted, expected: volume })
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    if (error instanceof VerificationError && error.code === 'VolumeMismatch') throw diskReplaced(error)
    throw refused(error.message, error.expected ?? 'a systemd log', error.found ?? 'another')
  }
}

async function verifyLog(report: BootReport, expected: ExpectedRegisters): Promise<void> {
  let replayed: Map<number, Uint8Array>
  try {
    replayed = await replay(parseEventLog(report.eventLog), 'sha256')
  } catch (error) {
    throw refused(`its event log cannot be read (${(error as Error).message})`, 'a TCG event log', 'another')
  }
  for (const index of firmwareRegisters) {
    const quoted = report.pcrs.get(index)
    const value = replayed.get(index) ?? new Uint8Array(32)
    if (quoted === undefined || !equal(value, quoted)) {
      throw refused(
        `its event log does not replay to PCR ${index}`,
        quoted === undefined ? 'a quoted value' : toHex(quoted),
        toHex(value),
      )
    }
  }
  const others = Object.entries(expected.firmwareLog)
    .map(([index, value]) => ({
      name: `PCR ${index}`,
      value,
      found: replayed.get(Number(index)) ?? new Uint8Array(32),
    }))
    .filter(({ value, found }) => !equal(found, value))
  if (others.length === 0) return
  // All of them: which registers differ together shows what was changed.
  const list = (of: 'value' | 'found'): string => others.map((each) => `${each.name} ${toHex(each[of])}`).join(', ')
  const names = others.map(({ name }) => name).join(' and ')
  throw refused(`its event log does not replay to the predicted ${names}`, list('value'), list('found'))
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

function diskReplaced(error: EvidenceError): ServiceError {
  return new ServiceError({
    code: 'OsDiskReplaced',
    message:
      'The OS disk was replaced: the volume that the guest unlocked is not the one this VM was created with (PCR ' +
      `${volumeRegister}).`,
    target: 'osDisk',
    ...(error.expected !== undefined && { expected: error.expected }),
    ...(error.found !== undefined && { found: error.found }),
    remedy: 'Put this VM’s own disk back. Do not trust anything this guest reports.',
  })
}

function refused(what: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'BootReportRefused',
    message: `The guest's boot report was refused: ${what}.`,
    target: 'measuredBoot',
    expected,
    found,
    remedy:
      'Check the serial log; if the disk or its boot loader was changed on purpose, recreate the VM from that image.',
  })
}
