import { homeRegion, sharedAttestationHost, type FirmwareUpdates } from '@strongroom/contract'
import { vouch, type Known, type Source } from './known.ts'
import type {
  Asked,
  AskedBackup,
  AskedImage,
  AskedProvider,
  LaunchFirmware,
  PinnedFirmware,
  SettingsReference,
} from './request.ts'

/**
 * Token issuer of an installation's shared provider in its home region.
 * @example
 * import { sharedIssuer } from '@strongroom/trust'
 *
 * new URL(sharedIssuer).protocol // => 'https:'
 */
export const sharedIssuer: string = `https://${sharedAttestationHost(homeRegion.code)}`

/** What the guest must have been launched with: the verifier's copy, or the measurement of a boot that they trusted. */
export type KnownLaunch = { own: Known<LaunchFirmware> } | { pinned: Known<string> } | { unknown: string }

/** A request, each part with who vouches for it. Undefined where it was not asked for. */
export interface KnownAsked {
  vmId: Known<string> | undefined
  encryption: Known<string>
  size: Known<string>
  firmware: KnownLaunch
  updates: Known<FirmwareUpdates>
  ranFirmware: Known<PinnedFirmware> | undefined
  image: Known<AskedImage>
  /** Of the image, as pinned from boots that the verifier trusted. */
  bootFile: Known<string> | undefined
  publisher: Known<string> | undefined
  generation: Known<number>
  variableUpdates: Known<number>
  secureBoot: Known<boolean>
  volume: Known<string> | undefined
  rekeyed: Known<string> | undefined
  diskEncryptionSet: Known<string> | undefined
  restored: Known<AskedBackup | null> | undefined
  settings: Known<SettingsReference> | undefined
  sshHostKey: Known<string> | undefined
  /** Token issuer of the provider that the VM named. */
  issuer: Known<string> | undefined
}

const sourceOf: Record<AskedImage['by'] | SettingsReference['by'], Source> = {
  owner: 'verifier',
  creator: 'verifier',
  file: 'verifier',
  backup: 'verifier',
  'first boot': 'first use',
  'resource manager': 'first use',
}

/**
 * A request as its verifier knows it: their own where they created the VM. Where they did not, the record of the resource
 * manager, which its operator could change, is taken as first seen, and so is what they pinned of a boot that rested on it. Id and
 * size come from the record, and so may the disk-encryption set: all three are called first seen.
 */
export function knownAsked(o: Asked): KnownAsked {
  const by = sourceOf[o.image.by]
  const { firmware, askedFirmware, image, settings } = o
  return {
    vmId: optional(o.vmId, 'first use'),
    encryption: vouch(o.encryption, by),
    size: vouch(o.size, 'first use'),
    firmware: knownLaunch(firmware, by),
    updates: vouch(askedFirmware?.updates ?? 'Listed', by),
    ranFirmware: optional(askedFirmware?.pinned, by),
    image: vouch(image, by),
    bootFile: optional(image.bootFile, by),
    publisher: optional(image.publisher, by),
    generation: vouch(image.generation ?? 0, by),
    variableUpdates: vouch(image.variableUpdates ?? 0, by),
    secureBoot: vouch(o.secureBoot, by),
    volume: optional(o.volume, by),
    rekeyed: optional(o.rekeyed, 'verifier'),
    diskEncryptionSet: optional(o.diskEncryptionSet, 'first use'),
    restored: optional(o.restored, 'verifier'),
    settings: settings && vouch(settings, sourceOf[settings.by]),
    sshHostKey: optional(o.sshHostKey, by),
    issuer: knownIssuer(o.asked),
  }
}

/** From the resource manager's record; the installation's own where nobody asked for another. */
function knownIssuer(asked: AskedProvider | undefined): Known<string> | undefined {
  if (asked === undefined) return vouch(sharedIssuer, 'computed')
  return 'unknown' in asked ? undefined : vouch(asked.issuer, 'first use')
}

function knownLaunch(o: Asked['firmware'], pinnedBy: Source): KnownLaunch {
  if ('unknown' in o) return o
  return 'pinned' in o ? { pinned: vouch(o.pinned, pinnedBy) } : { own: vouch(o, 'verifier') }
}

const optional = <T>(value: T | undefined, source: Source): Known<T> | undefined =>
  value === undefined ? undefined : vouch(value, source)

/**
 * What a person knows of a backup that they fetched or restore: its manifest is the one that their own client digested.
 * @param o.manifest SHA-256, hexadecimal
 */
export const knownBackup = (o: {
  vmId: string
  manifest: string
}): { vmId: Known<string>; manifest: Known<string> } => ({
  vmId: vouch(o.vmId, 'first use'),
  manifest: vouch(o.manifest, 'verifier'),
})

export const knownRestore = (
  o: Parameters<typeof knownBackup>[0] & Pick<Asked, 'size' | 'firmware'>,
): ReturnType<typeof knownBackup> & Pick<KnownAsked, 'size' | 'firmware'> => ({
  ...knownBackup(o),
  size: vouch(o.size, 'first use'),
  firmware: knownLaunch(o.firmware, 'first use'),
})
