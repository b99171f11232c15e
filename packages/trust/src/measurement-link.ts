import { cpuModels, vCPUsOf, type BootFacts, type Tee } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import { mrtd, snpFirmwareDigest, snpLaunchDigest } from '@strongroom/evidence/expected'
import { sha256Hex } from './bytes.ts'
import { LinkNotChecked, LinkRefused, short } from './link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** The verifier's own copy of the firmware. */
export interface LaunchFirmware {
  /** The verifier's name for it, for example its path. */
  name: string
  bytes: Uint8Array
}

/** What of a boot's evidence is about its launch. */
type LaunchedFacts = Pick<BootFacts, 'tee'> & { expected: Pick<BootFacts['expected'], 'firmwareSha256'> }

/** The expected launch: firmware, or the measurement of an earlier boot that its owner trusted (hexadecimal). */
export type LaunchReference = LaunchFirmware | { pinned: string }

/**
 * The silicon launched the verifier's own firmware, on the requested processors. The host's own claims are shown if
 * they differ, but decide nothing.
 * @param o.size the VM's size: a host may provide fewer processors than the size has, never more
 */
export async function measurementLink(
  evidence: LaunchedFacts,
  silicon: SiliconFinding,
  o: { firmware: LaunchReference; size: string },
): Promise<string[]> {
  if ('pinned' in o.firmware) return pinnedLaunch(evidence.tee, silicon, o.firmware.pinned)
  const firmware = { ...o.firmware, sha256: await sha256Hex(o.firmware.bytes) }
  if (evidence.tee === 'TDX') {
    const computed = await mrtd({ firmware: firmware.bytes })
    if (!equal(computed, silicon.measurement)) throw anotherLaunch(evidence, silicon, firmware, computed, '')
    return [`MRTD ${short(toHex(computed))} computed from ${describe(firmware)}`]
  }
  const asked = vCPUsOf(o.size)
  if (asked === undefined)
    throw new LinkNotChecked(`The name of the size ${o.size} does not contain its number of processors.`)
  const { found, largest } = await findProcessors(firmware.bytes, silicon.measurement, asked)
  const processors = `of 1 to ${asked} vCPUs ${cpuModels.SNP} (${o.size})`
  if (found === undefined) throw anotherLaunch(evidence, silicon, firmware, largest, `, ${processors}`)
  return [
    `launch digest ${short(toHex(silicon.measurement))} computed from ${describe(firmware)}, ${found} vCPUs ${cpuModels.SNP}`,
    ...(found === asked ? [] : [`${o.size} has ${asked} vCPUs: the host provided ${found}`]),
  ]
}

function pinnedLaunch(tee: Tee, silicon: SiliconFinding, pinned: string): string[] {
  const found = toHex(silicon.measurement)
  if (found !== pinned)
    throw new LinkRefused({
      message: `The ${names[tee]} differs from the boot that you trusted: firmware or processors changed. To follow an update of the firmware, pass your own copy of it.`,
      expected: pinned,
      actual: found,
    })
  return [`${names[tee]} ${short(found)} is that of the boot that you trusted; its firmware was not computed here`]
}

/** How many processors the measurement covers, at most `asked`. */
async function findProcessors(
  firmware: Uint8Array,
  measurement: Uint8Array,
  asked: number,
): Promise<{ found: number | undefined; largest: Uint8Array }> {
  const firmwareDigest = await snpFirmwareDigest(firmware)
  const digestOf = async (vCPUs: number): Promise<Uint8Array> =>
    await snpLaunchDigest({ firmware, firmwareDigest, vCPUs, vcpuType: cpuModels.SNP })
  const largest = await digestOf(asked)
  if (equal(largest, measurement)) return { found: asked, largest }
  for (let vCPUs = asked - 1; vCPUs > 0; vCPUs--)
    if (equal(await digestOf(vCPUs), measurement)) return { found: vCPUs, largest }
  return { found: undefined, largest }
}

type NamedFirmware = LaunchFirmware & { sha256: string }

const describe = ({ name, sha256 }: NamedFirmware): string => `${name} (SHA-256 ${short(sha256)})`

const names: Record<Tee, string> = { SNP: 'launch digest', TDX: 'MRTD' }

function anotherLaunch(
  evidence: LaunchedFacts,
  silicon: SiliconFinding,
  firmware: NamedFirmware,
  computed: Uint8Array,
  processors: string,
): LinkRefused {
  const said = evidence.expected.firmwareSha256
  const hint =
    said === firmware.sha256
      ? 'The host reports that it launched this firmware.'
      : `The host reports that it launched firmware with SHA-256 ${said}: if you trust that release, pass your own copy of it with --firmware.`
  return new LinkRefused({
    message: `The ${names[evidence.tee]} is not that of ${firmware.name}${processors}. ${hint}`,
    expected: toHex(computed),
    actual: toHex(silicon.measurement),
  })
}
