import { equal } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { snpLaunchDigests } from '../measure/snp-launch-digest.ts'
import type { FirmwareList, FirmwareRelease } from './firmware-list.ts'

/**
 * Which firmware a VM's owner allows: any release of the list with at least the security version that it ran last, only
 * what it ran
 * last, or any release of the list.
 */
export type FirmwareUpdates = 'Listed' | 'Pinned' | 'ListedOrOlder'

/** The firmware that a VM ran last. */
export interface RanFirmware {
  version: string
  securityVersion: number
  /** Hexadecimal. */
  sha256: string
}

/** Why a launch is refused. */
export interface FirmwareRefusal {
  code: 'FirmwareNotListed' | 'FirmwareSuperseded' | 'FirmwarePinned'
  message: string
  expected: string
  found: string
  remedy: string
}

/**
 * The release that a guest was launched with, by its hardware's measurement; undefined if the list has none. A host may
 * start a guest with fewer processors than requested, never more.
 * @param o.vcpuType QEMU's name, and the most processors that a guest has
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { findFirmware, measureFirmware } from '@strongroom/evidence/expected'
 *
 * const release = { version: 'ovmf 2025.02-8', securityVersion: 1, builtAt: new Date('2025-03-01') }
 * const measured = await measureFirmware(await readFile('tdvf.fd'))
 * const list = { signedAt: new Date('2026-11-29'), first: true, releases: [{ ...release, ...measured }] }
 * const launch = { tee: 'TDX' as const, measurement: measured.mrtd, vcpuType: 'EPYC-Milan', vCPUs: 128 }
 * const found = await findFirmware(list, launch)
 * found?.version // => 'ovmf 2025.02-8'
 */
export async function findFirmware(
  { releases }: FirmwareList,
  o: { tee: 'SNP' | 'TDX'; measurement: Uint8Array; vcpuType: string; vCPUs: number },
): Promise<FirmwareRelease | undefined> {
  if (o.tee === 'TDX') return releases.find(({ mrtd }) => equal(mrtd, o.measurement))
  // Most guests have few processors: launches with many are computed only if none with few matches.
  for (const vCPUs of [Math.min(few, o.vCPUs), o.vCPUs])
    for (const release of releases) {
      const digests = await snpLaunchDigests({ ...release.snp, vCPUs, vcpuType: o.vcpuType })
      if (digests.some((each) => equal(each, o.measurement))) return release
    }
  return undefined
}

const few = 8

/**
 * Whether a VM may be launched with a release: the vault decides so before it releases the VM's key, and a verifier
 * again afterwards.
 * @param o.found from `findFirmware`
 * @param o.ran absent before the first boot
 * @returns undefined if it may
 * @example
 * import { firmwareRefusal } from '@strongroom/evidence/expected'
 *
 * const list = { signedAt: new Date('2026-11-29'), first: true, releases: [] }
 * const refusal = firmwareRefusal({ list, found: undefined, measurement: new Uint8Array(48), updates: 'Listed' })
 * refusal?.code // => 'FirmwareNotListed'
 */
export function firmwareRefusal(o: {
  list: FirmwareList
  found: FirmwareRelease | undefined
  measurement: Uint8Array
  updates: FirmwareUpdates
  ran?: RanFirmware | undefined
}): FirmwareRefusal | undefined {
  const { found, ran, updates } = o
  if (found === undefined)
    return {
      code: 'FirmwareNotListed',
      message: 'The VM was launched with firmware that is not in the installation’s signed list.',
      expected: o.list.releases.map(named).join(', ') || 'a release of the list, which is empty',
      found: `launch measurement ${toHex(o.measurement)}`,
      remedy: 'Bring back the listed firmware, or have the operator sign the new one: strongroom firmware sign.',
    }
  if (ran === undefined) return undefined
  const sha256 = toHex(found.sha256)
  if (updates === 'Pinned' && sha256 !== ran.sha256)
    return {
      code: 'FirmwarePinned',
      message: 'The VM is pinned to the firmware that it ran last, and was launched with another.',
      expected: named(ran),
      found: named(found),
      remedy:
        'Bring back that firmware, or let the VM take the new one: strongroom vm update NAME --firmware-updates Listed.',
    }
  if (updates !== 'ListedOrOlder' && found.securityVersion < ran.securityVersion)
    return {
      code: 'FirmwareSuperseded',
      message: 'The VM was launched with firmware that is older in security than what it ran last.',
      expected: `security version ${ran.securityVersion} or higher, as of ${named(ran)}`,
      found: named(found),
      remedy:
        'Bring back the newer firmware. If you want the older one, allow it: strongroom vm update NAME --firmware-updates ListedOrOlder.',
    }
  return undefined
}

const named = ({ version, securityVersion, sha256 }: FirmwareRelease | RanFirmware): string =>
  `${version} (security version ${securityVersion}, SHA-256 ${typeof sha256 === 'string' ? sha256 : toHex(sha256)})`
