import { cpuModels, vCPUsOf, type BootFacts, type Tee } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import { mrtd, snpFirmwareDigest, snpLaunchDigest } from '@strongroom/evidence/expected'
import type { KnownAsked } from '../provenance/asked.ts'
import { sha256Hex } from '../provenance/bytes.ts'
import { deriveAsync, same, type Known } from '../provenance/known.ts'
import { LinkNotChecked, short, type Proof } from '../provenance/link.ts'
import type { LaunchFirmware } from '../provenance/request.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** What the host says it launched: a hint where the link does not hold. */
type LaunchedFacts = { expected: Pick<BootFacts['expected'], 'firmwareSha256'> }

/**
 * The silicon launched the verifier's own firmware, on the requested processors. The host's own claims are shown if
 * they differ, but decide nothing.
 * @param o.size the VM's size: a host may provide fewer processors than the size has, never more
 */
export async function measurementLink(
  evidence: LaunchedFacts,
  silicon: SiliconFinding,
  { firmware, size, proof }: Pick<KnownAsked, 'firmware' | 'size'> & { proof: Proof },
): Promise<void> {
  if ('unknown' in firmware) throw new LinkNotChecked(firmware.unknown)
  const tee = silicon.kind.value
  if ('pinned' in firmware) return pinnedLaunch(silicon, firmware.pinned, proof)
  const named = await deriveAsync([firmware.own], async (of) => ({ ...of, sha256: await sha256Hex(of.bytes) }))
  const measurement = silicon.measurement.map(toHex)
  if (tee === 'TDX') {
    const computed = await deriveAsync([named], async ({ bytes }) => toHex(await mrtd({ firmware: bytes })))
    proof.demand({
      holds: same(computed, measurement),
      ...anotherLaunch(evidence, tee, named.value, ''),
      expected: computed.value,
      actual: measurement.value,
    })
    proof.proves`MRTD ${computed.map(short)} computed from ${named.map(describe)}`
    return
  }
  const asked = size.map(vCPUsOf)
  if (asked.value === undefined)
    throw new LinkNotChecked(`The name of the size ${size.value} does not contain its number of processors.`)
  const found = await deriveAsync([named, silicon.measurement, asked], findProcessors)
  const processors = `, of 1 to ${asked.value} vCPUs ${cpuModels.SNP} (${size.value})`
  proof.demand({
    holds: found.map(({ vCPUs }) => vCPUs !== undefined),
    ...anotherLaunch(evidence, tee, named.value, processors),
    expected: toHex(found.value.largest),
    actual: measurement.value,
  })
  const vCPUs = found.map((of) => String(of.vCPUs))
  const model = named.map(() => cpuModels.SNP)
  proof.proves`launch digest ${measurement.map(short)} computed from ${named.map(describe)}, ${vCPUs} vCPUs ${model}`
  if (found.value.vCPUs !== asked.value)
    proof.proves`${size} has ${asked.map(String)} vCPUs: the host provided ${vCPUs}`
}

function pinnedLaunch(silicon: SiliconFinding, pinned: Known<string>, proof: Proof): void {
  const name = silicon.kind.map((tee) => names[tee])
  const found = silicon.measurement.map(toHex)
  proof.demand({
    holds: same(found, pinned),
    message:
      `The ${name.value} differs from the boot that you trusted: firmware or processors changed. To follow an ` +
      'update of the firmware, pass your own copy of it.',
    expected: pinned.value,
    actual: found.value,
  })
  proof.proves`${name} ${found.map(short)} is that of the boot that you trusted; its firmware was not computed here`
}

/** How many processors the measurement covers, at most `asked`. */
async function findProcessors(
  { bytes: firmware }: LaunchFirmware,
  measurement: Uint8Array,
  asked = 0,
): Promise<{ vCPUs: number | undefined; largest: Uint8Array }> {
  const firmwareDigest = await snpFirmwareDigest(firmware)
  const digestOf = async (vCPUs: number): Promise<Uint8Array> =>
    await snpLaunchDigest({ firmware, firmwareDigest, vCPUs, vcpuType: cpuModels.SNP })
  const largest = await digestOf(asked)
  if (equal(largest, measurement)) return { vCPUs: asked, largest }
  for (let vCPUs = asked - 1; vCPUs > 0; vCPUs--)
    if (equal(await digestOf(vCPUs), measurement)) return { vCPUs, largest }
  return { vCPUs: undefined, largest }
}

type NamedFirmware = LaunchFirmware & { sha256: string }

const describe = ({ name, sha256 }: NamedFirmware): string => `${name} (SHA-256 ${short(sha256)})`

const names: Record<Tee, string> = { SNP: 'launch digest', TDX: 'MRTD' }

function anotherLaunch(
  evidence: LaunchedFacts,
  tee: Tee,
  firmware: NamedFirmware,
  processors: string,
): { message: string } {
  const stated = evidence.expected.firmwareSha256
  const hint =
    stated === firmware.sha256
      ? 'The host reports that it launched this firmware.'
      : `The host reports that it launched firmware with SHA-256 ${stated}: if you trust that release, pass your own ` +
        'copy of it with --firmware.'
  return { message: `The ${names[tee]} is not that of ${firmware.name}${processors}. ${hint}` }
}
