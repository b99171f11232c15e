import { isDeepStrictEqual } from 'node:util'
import type { BootPins } from '@strongroom/trust'
import { changeAsked, type AskedVm } from './asked-settings.ts'
import { rememberName } from './known-names.ts'

/**
 * The first boot that its owner trusts determines what every later one must run and open; the highest boot-file
 * generation and the number of updates of Secure Boot variables, that nothing before them comes back. Firmware is pinned
 * too: a boot is trusted only with firmware that the signed list and its owner allow after the last one.
 * @param o.id ARM id under which its owner named the VM
 * @param o.rekeyed the owner's `vm rekey` that the boot was verified against, which accounts for one change of the volume
 * @param o.firstSeen record to begin with if the VM was not created here
 * @returns what is pinned by this boot, a line each
 */
export async function pinBoot(
  configDir: string,
  o: {
    vmId: string
    id: string
    seen: BootPins
    firstSeen: AskedVm | undefined
    rekeyed?: string | undefined
    at: Date
  },
): Promise<string[]> {
  const { before, after } = await changeAsked(configDir, o.vmId, (stored = o.firstSeen) =>
    stored === undefined ? undefined : withPins(stored, o),
  )
  if (after === undefined) return []
  await rememberName(configDir, o.id, { vmId: o.vmId, trustedAt: o.at.toISOString() })
  return [
    ...pinnedLines(before?.pins, after.pins),
    ...(before === undefined ? ['account and keys, as the guest set them up'] : []),
  ]
}

function withPins(stored: AskedVm, o: { seen: BootPins; rekeyed?: string | undefined }): AskedVm {
  const pins = merged(o.seen, stored.pins)
  const { rekey, ...others } = stored
  // Another command may have replaced the key again, or have pinned this volume, since the boot was verified.
  if (rekey === undefined || rekey.at !== o.rekeyed || o.seen.volume === undefined) return { ...stored, pins }
  return { ...others, pins: { ...pins, volume: o.seen.volume } }
}

function merged(seen: BootPins, stored: BootPins | undefined): BootPins {
  const generation = Math.max(seen.generation ?? 0, stored?.generation ?? 0)
  const variableUpdates = Math.max(seen.variableUpdates ?? 0, stored?.variableUpdates ?? 0)
  const { firmware, sshHostKey } = seen
  return {
    ...seen,
    ...stored,
    ...(generation > 0 && { generation }),
    ...(variableUpdates > 0 && { variableUpdates }),
    ...(firmware !== undefined && { firmware }),
    // A trusted boot has another one only if its owner accepted it.
    ...(sshHostKey !== undefined && { sshHostKey }),
  }
}

const titles = {
  bootFile: 'boot file',
  publisher: 'publisher of boot files',
  volume: 'volume',
  generation: 'generation of the boot file',
  firmware: 'firmware',
  sshHostKey: 'SSH host key',
  variableUpdates: 'updates of Secure Boot variables',
} as const satisfies Record<keyof BootPins, string>

function pinnedLines(before: BootPins | undefined, after: BootPins | undefined): string[] {
  const names = Object.keys(titles) as (keyof BootPins)[]
  return names.flatMap((name) => {
    const value = after?.[name]
    if (value === undefined || isDeepStrictEqual(value, before?.[name])) return []
    return [
      `${titles[name]} ${typeof value === 'object' ? `${value.version}, SHA-256 ${value.sha256}` : String(value)}`,
    ]
  })
}
