import { cpuModels, firmwareTags, firmwareUpdates, mostVCPUs, type BootEvidence } from '@strongroom/contract'
import { toHex, type TrustAnchors } from '@strongroom/evidence'
import {
  findFirmware,
  firmwareRefusal,
  verifyFirmwareList,
  type FirmwareUpdates,
  type RanFirmware,
} from '@strongroom/evidence/expected'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** Firmware of a boot that its owner trusted, in hexadecimal. */
export interface PinnedFirmware extends RanFirmware {
  /** Launch digest or MRTD of that boot. */
  measurement: string
}

/** Which firmware a VM may have been launched with. */
export interface AskedFirmware {
  /** Default: `Listed`. */
  updates?: FirmwareUpdates | undefined
  /** Of the last boot that its creator trusted. */
  pinned?: PinnedFirmware | undefined
}

/**
 * The launched firmware is a release that the installation signed and the VM's owner allows. The vault decided this
 * before it released
 * the key, by the list and the owner's setting in its signed answer; it is decided here again, starting from the last
 * trusted boot.
 * @param o.tags of the released key
 */
export async function firmwareLink(
  evidence: Pick<BootEvidence, 'tee'>,
  silicon: SiliconFinding,
  o: { anchors: TrustAnchors; tags: Readonly<Record<string, unknown>>; asked: AskedFirmware },
): Promise<{ firmware: PinnedFirmware; shows: string[] }> {
  const { updates = 'Listed', pinned } = o.asked
  const [jws, said, before] = [firmwareTags.list, firmwareTags.updates, firmwareTags.before].map((tag) => o.tags[tag])
  if (typeof jws !== 'string')
    throw new LinkNotChecked(
      'The key was released without a list of firmware: the installation was of an earlier version. Restart the VM.',
    )
  const list = await verifyFirmwareList({ jws, keys: o.anchors.images ?? [] })
  const { measurement } = silicon
  const { tee } = evidence
  const found = await findFirmware(list, { tee, measurement, vcpuType: cpuModels[tee], vCPUs: mostVCPUs })
  const refusal = firmwareRefusal({ list, found, measurement, updates, ran: pinned })
  if (refusal !== undefined || found === undefined) {
    const { code, message, expected, found: actual } = refusal!
    throw new LinkRefused({ code, message, expected, actual })
  }
  const applied = firmwareUpdates.find((each) => each === said)
  demand({
    code: 'FirmwareUpdatesIgnored',
    holds: applied !== undefined && strictness.indexOf(applied) <= strictness.indexOf(updates),
    message: 'The key service went by a laxer rule about firmware than the one you set for this VM.',
    expected: updates,
    actual: String(said),
  })
  const { version, securityVersion, builtAt } = found
  const firmware = { version, securityVersion, sha256: toHex(found.sha256), measurement: toHex(measurement) }
  return {
    firmware,
    shows: [
      `${version}, security version ${securityVersion}, built ${builtAt.toISOString()}, SHA-256 ${short(firmware.sha256)}`,
      `in a list of ${list.releases.length} that a pinned key signed on ${list.signedAt.toISOString()}; allowed: ${meanings[updates]}`,
      ...change(firmware, pinned, before),
    ],
  }
}

/** Strictest first. */
const strictness = ['Pinned', 'Listed', 'ListedOrOlder'] as const satisfies readonly FirmwareUpdates[]

const meanings: Record<FirmwareUpdates, string> = {
  Listed: 'listed firmware that is not older in security',
  Pinned: 'what this VM ran last',
  ListedOrOlder: 'listed firmware, older too',
}

/** From which firmware to which: as the verifier itself saw, else as the vault recorded. */
function change(now: PinnedFirmware, pinned: PinnedFirmware | undefined, recorded: unknown): string[] {
  if (pinned !== undefined)
    return pinned.sha256 === now.sha256
      ? ['the firmware of the last boot that you trusted']
      : [
          'changed since the last boot that you trusted:',
          `  from ${text(pinned)}, launch measurement ${pinned.measurement}`,
          `  to   ${text(now)}, launch measurement ${now.measurement}`,
        ]
  const ran = readRan(recorded)
  if (ran === undefined || ran.sha256 === now.sha256) return []
  return [
    'changed since the boot before, as the key service recorded it:',
    `  from ${text(ran)}`,
    `  to   ${text(now)}`,
  ]
}

const text = ({ version, securityVersion, sha256 }: RanFirmware): string =>
  `${version} (security version ${securityVersion}, SHA-256 ${short(sha256)})`

/** From the vault's signed answer; undefined for a first boot. */
function readRan(recorded: unknown): RanFirmware | undefined {
  if (typeof recorded !== 'string') return undefined
  const { version, securityVersion, sha256 } = JSON.parse(recorded) as Partial<Record<keyof RanFirmware, unknown>>
  return { version: String(version), securityVersion: Number(securityVersion), sha256: String(sha256) }
}
