import { cpuModels, firmwareTags, firmwareUpdates, mostVCPUs, type FirmwareUpdates } from '@strongroom/contract'
import { toHex, type KeyRelease, type TrustAnchors } from '@strongroom/evidence'
import {
  findFirmware,
  firmwareRefusal,
  type FirmwareList,
  type FirmwareRelease,
  type RanFirmware,
} from '@strongroom/evidence/expected'
import type { KnownAsked } from '../provenance/asked.ts'
import { derive, deriveAsync, type Known } from '../provenance/known.ts'
import { LinkNotChecked, LinkRefused, short, type Proof } from '../provenance/link.ts'
import type { PinnedFirmware } from '../provenance/request.ts'
import { signedFirmwareList } from '../provenance/signed.ts'
import type { SiliconFinding } from './silicon-link.ts'

/**
 * The launched firmware is a release that the installation signed and the VM's owner allows. The vault decided this
 * before it released the key, by the list and the owner's setting in its signed answer; it is decided here again, starting
 * from the last trusted boot.
 */
export async function firmwareLink(
  silicon: SiliconFinding,
  release: Known<KeyRelease>,
  o: { anchors: TrustAnchors; asked: Pick<KnownAsked, 'updates' | 'ranFirmware'>; proof: Proof },
): Promise<Known<PinnedFirmware>> {
  const { proof } = o
  const { updates, ranFirmware: pinned } = o.asked
  // Who signed the list decides, not who brought it.
  const jws = release.value.tags[firmwareTags.list]
  if (typeof jws !== 'string')
    throw new LinkNotChecked(
      'The key was released without a list of firmware: the installation was of an earlier version. Restart the VM.',
    )
  const list = await signedFirmwareList(jws, o.anchors)
  const { kind, measurement } = silicon
  const found = await deriveAsync([list, kind, measurement], releaseOf)
  const refused = [list, found, measurement, updates] as const
  const refusal = pinned === undefined ? derive(refused, refusalOf) : derive([...refused, pinned] as const, refusalOf)
  const { code = '', message = '', expected = '', found: actual = '' } = refusal.value ?? {}
  proof.demand({ holds: refusal.map((of) => of === undefined), code, message, expected, actual })
  const said = release.map(({ tags }) => tags[firmwareTags.updates])
  proof.demand({
    code: 'FirmwareUpdatesIgnored',
    holds: derive([said, updates], notLaxer),
    message: 'The key service went by a laxer rule about firmware than the one you set for this VM.',
    expected: updates.value,
    actual: String(said.value),
  })
  const firmware = derive([found, measurement], pinOf)
  const built = found.map((of) => of?.builtAt.toISOString() ?? '')
  proof.proves`${firmware.map(versionText)}, built ${built}, SHA-256 ${firmware.map(({ sha256 }) => short(sha256))}`
  const [count, signedAt] = [list.map((of) => of.releases.length), list.map((of) => of.signedAt.toISOString())]
  proof.proves`in a list of ${count} that a pinned key signed on ${signedAt}; allowed: ${updates.map((of) => meanings[of])}`
  // From which firmware to which: as the verifier itself saw, else as the vault recorded.
  proof.shown(
    pinned === undefined ? derive([firmware, release], changeRecorded) : derive([firmware, pinned], changePinned),
  )
  return firmware
}

const releaseOf = async (
  list: FirmwareList,
  tee: 'SNP' | 'TDX',
  measurement: Uint8Array,
): Promise<FirmwareRelease | undefined> =>
  await findFirmware(list, { tee, measurement, vcpuType: cpuModels[tee], vCPUs: mostVCPUs })

const refusalOf = (
  list: FirmwareList,
  found: FirmwareRelease | undefined,
  measurement: Uint8Array,
  updates: FirmwareUpdates,
  ran?: PinnedFirmware,
): ReturnType<typeof firmwareRefusal> => firmwareRefusal({ list, found, measurement, updates, ran })

const notLaxer = (said: unknown, updates: FirmwareUpdates): boolean => {
  const applied = firmwareUpdates.find((each) => each === said)
  return applied !== undefined && strictness.indexOf(applied) <= strictness.indexOf(updates)
}

/** Strictest first. */
const strictness = ['Pinned', 'Listed', 'ListedOrOlder'] as const satisfies readonly FirmwareUpdates[]

function pinOf(found: FirmwareRelease | undefined, measurement: Uint8Array): PinnedFirmware {
  if (found === undefined) throw new LinkRefused({ message: 'no release was found' })
  const { version, securityVersion } = found
  return { version, securityVersion, sha256: toHex(found.sha256), measurement: toHex(measurement) }
}

const versionText = ({ version, securityVersion }: PinnedFirmware): string =>
  `${version}, security version ${securityVersion}`

const meanings: Record<FirmwareUpdates, string> = {
  Listed: 'listed firmware that is not older in security',
  Pinned: 'what this VM ran last',
  ListedOrOlder: 'listed firmware, older too',
}

const changePinned = (now: PinnedFirmware, pinned: PinnedFirmware): string[] =>
  pinned.sha256 === now.sha256
    ? ['the firmware of the last boot that you trusted']
    : [
        'changed since the last boot that you trusted:',
        `  from ${text(pinned)}, launch measurement ${pinned.measurement}`,
        `  to   ${text(now)}, launch measurement ${now.measurement}`,
      ]

function changeRecorded(now: PinnedFirmware, { tags }: KeyRelease): string[] {
  const ran = readRan(tags[firmwareTags.before])
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
