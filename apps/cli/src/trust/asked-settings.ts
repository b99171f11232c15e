import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { firmwareUpdates, type AskedSettings, type FirmwareUpdates } from '@strongroom/contract'
import { createFileAtomically, writeFileAtomically } from '@strongroom/platform/files'
import type { BootPins } from '@strongroom/trust'
import { CliError } from '../core/cli-error.ts'
import { underLock } from '../core/file-lock.ts'

/**
 * A person's request for a VM, and what they saw of its first trusted boot. Of a VM that they did not create here there is
 * no request: `firstSeen` replaces account and keys, and `vm` is the resource manager's record of that time.
 */
export interface AskedVm extends Partial<AskedSettings> {
  /** Absent for VMs created by earlier versions: the resource manager's record is used for them. */
  vm?: {
    /** URN or resource id. */
    image: string
    secureBoot: boolean
    encryption: string
    /** Default: `Listed`. */
    firmwareUpdates?: FirmwareUpdates
    /** Resource id. Absent if none was requested, and in records of earlier versions. */
    diskEncryptionSet?: string
  }
  pins?: BootPins
  /** Their `vm rekey`, until they trust a boot with another volume: one change of it is theirs. */
  rekey?: {
    at: string
  }
  firstSeen?: {
    at: string
    /** What the guest settled, base64url. */
    settled: string
  }
  /** The backup that this person restored it from. */
  restored?: {
    /** SHA-256 of the manifest. */
    manifest: string
    /** What the guest settled, base64url. */
    settled: string
  }
}

/** The request, with a digest in place of the custom data. */
export function askedWith(o: {
  adminUsername: string
  sshPublicKeys: string[]
  customData?: Uint8Array | undefined
}): AskedSettings {
  const { adminUsername, sshPublicKeys, customData = new Uint8Array() } = o
  return {
    adminUsername,
    sshPublicKeys,
    ...(customData.length > 0 && { customDataSha256: createHash('sha256').update(customData).digest('hex') }),
  }
}

/** One VM's file, in its creator's folder: it does not pass through the installation. */
function fileOf(configDir: string, vmId: string): string {
  if (!/^[0-9A-Fa-f-]{36}$/.test(vmId)) throw new TypeError('a VM id is a GUID')
  return join(configDir, 'asked', `${vmId.toLowerCase()}.json`)
}

const textOf = (asked: AskedVm): string => `${JSON.stringify(asked, null, 2)}\n`

/**
 * Stores what is known of a VM, so that the trust report compares the guest with it and not with the operator's record.
 * What is stored already stays: only `changeAsked` changes it.
 * @throws CliError AskedSettingsExist, FileNotWritten
 */
export async function rememberAsked(configDir: string, vmId: string, asked: AskedVm): Promise<void> {
  const path = fileOf(configDir, vmId)
  const made = await createFileAtomically(path, textOf(asked)).catch((cause: unknown) => {
    throw notWritten(path, cause)
  })
  if (made || isDeepStrictEqual(await recallAsked(configDir, vmId), asked)) return
  throw new CliError({
    code: 'AskedSettingsExist',
    message: `${path} has another record of what the VM ${vmId} was created with. It was not replaced.`,
    expected: 'no record, because the VM is new',
    found: 'one, perhaps with the pins of a boot that you trusted',
    remedy: 'Check who created the VM. If the record is of another installation, move it away and repeat the command.',
  })
}

/**
 * Changes what is stored of a VM, whatever other commands change at the same time; a failure leaves it as it was.
 * @param change gets the stored state, and returns it with its changes; the same or undefined changes nothing
 * @throws CliError AskedSettingsUnreadable, FileNotWritten
 */
export async function changeAsked(
  configDir: string,
  vmId: string,
  change: (stored: AskedVm | undefined) => AskedVm | undefined,
): Promise<{ before: AskedVm | undefined; after: AskedVm | undefined }> {
  const path = fileOf(configDir, vmId)
  return await underLock(join(configDir, 'asked', '.lock'), async () => {
    const before = await recallAsked(configDir, vmId)
    const after = change(before) ?? before
    if (after !== undefined && !isDeepStrictEqual(after, before))
      await writeFileAtomically(path, textOf(after)).catch((cause: unknown) => {
        throw notWritten(path, cause)
      })
    return { before, after }
  })
}

/** @throws CliError AskedSettingsUnreadable: a damaged file is never replaced by somebody else's statement */
export async function recallAsked(configDir: string, vmId: string): Promise<AskedVm | undefined> {
  const path = fileOf(configDir, vmId)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unreadable(path, error)
  }
  try {
    const asked = JSON.parse(text) as AskedVm
    if (asked.firstSeen === undefined && settingsOf(asked) === undefined)
      throw new TypeError('it has no account and keys')
    if (!isSound(asked)) throw new TypeError('its record of the VM or its first boot cannot be read')
    return asked
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** The requested account and keys; undefined for a VM that was not created here. */
export function settingsOf(asked: AskedVm): AskedSettings | undefined {
  const { adminUsername, sshPublicKeys } = asked
  const isKeys = Array.isArray(sshPublicKeys) && sshPublicKeys.every((key) => typeof key === 'string')
  return typeof adminUsername === 'string' && isKeys ? { ...asked, adminUsername, sshPublicKeys } : undefined
}

function isSound({ vm, pins, rekey, restored, firstSeen }: AskedVm): boolean {
  if (rekey !== undefined && Number.isNaN(Date.parse(rekey.at))) return false
  if (firstSeen !== undefined && [firstSeen.at, firstSeen.settled].some((each) => typeof each !== 'string'))
    return false
  if (restored !== undefined && (!digest(restored.manifest) || typeof restored.settled !== 'string')) return false
  return isSoundVm(vm) && isSoundPins(pins)
}

const digest = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

const isSoundVm = (vm: AskedVm['vm']): boolean =>
  vm === undefined ||
  (typeof vm.image === 'string' &&
    typeof vm.secureBoot === 'boolean' &&
    typeof vm.encryption === 'string' &&
    ['string', 'undefined'].includes(typeof vm.diskEncryptionSet) &&
    (vm.firmwareUpdates === undefined || firmwareUpdates.includes(vm.firmwareUpdates)))

function isSoundPins(pins: BootPins | undefined): boolean {
  if (pins === undefined) return true
  const { bootFile, publisher, volume, generation = 1, variableUpdates = 1 } = pins
  const absentOrDigest = (value: unknown): boolean => value === undefined || digest(value)
  const counts = [generation, variableUpdates].every((count) => Number.isInteger(count) && count > 0)
  const hostKeySound = pins.sshHostKey === undefined || /^ssh-ed25519 [A-Za-z0-9+/]{68}$/.test(pins.sshHostKey)
  const digestsSound = digest(bootFile) && [publisher, volume].every(absentOrDigest)
  return digestsSound && hostKeySound && counts && isSoundFirmware(pins.firmware)
}

const isSoundFirmware = (firmware: BootPins['firmware']): boolean =>
  firmware === undefined ||
  (typeof firmware.version === 'string' &&
    Number.isInteger(firmware.securityVersion) &&
    /^[0-9a-f]{64}$/.test(firmware.sha256) &&
    /^[0-9a-f]{96}$/.test(firmware.measurement))

const unreadable = (path: string, cause: unknown): CliError =>
  new CliError({
    code: 'AskedSettingsUnreadable',
    message: `The record of what this VM was created with cannot be read from ${path}.`,
    remedy: 'Pass --ssh-key, --admin-username and --custom-data, or remove the file.',
    cause,
  })

const notWritten = (path: string, cause: unknown): CliError =>
  new CliError({
    code: 'FileNotWritten',
    message: `What you know of the VM cannot be written to ${path}. What was there stays.`,
    found: (cause as { code?: string }).code ?? 'an error',
    remedy:
      'Make room and check the rights of the folder. A VM created meanwhile has no record here: delete and recreate it.',
    cause,
  })
