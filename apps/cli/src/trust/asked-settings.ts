import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firmwareUpdates, type AskedSettings, type FirmwareUpdates } from '@strongroom/contract'
import type { BootPins } from '@strongroom/trust'
import { CliError } from '../core/cli-error.ts'

/** A person's request for a VM, and what they saw of its first trusted boot. */
export interface AskedVm extends AskedSettings {
  /** Absent for VMs created by earlier versions: the resource manager's record is used for them. */
  vm?: {
    /** URN or resource id. */
    image: string
    secureBoot: boolean
    encryption: string
    /** Default: `Listed`. */
    firmwareUpdates?: FirmwareUpdates
  }
  pins?: BootPins
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

/**
 * Stores a person's request for a VM, and their view of its first trusted boot, so that the trust report compares the
 * guest with it and not with the operator's record.
 */
export async function rememberAsked(configDir: string, vmId: string, asked: AskedVm): Promise<void> {
  await mkdir(join(configDir, 'asked'), { recursive: true, mode: 0o700 })
  await writeFile(fileOf(configDir, vmId), `${JSON.stringify(asked, null, 2)}\n`, { mode: 0o600 })
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
    const keys: unknown = asked.sshPublicKeys
    if (typeof asked.adminUsername !== 'string' || !Array.isArray(keys) || keys.some((key) => typeof key !== 'string'))
      throw new TypeError('it has no account and keys')
    if (!isSound(asked)) throw new TypeError('its record of the VM or its first boot cannot be read')
    return asked
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function isSound({ vm, pins, restored }: AskedVm): boolean {
  const digest = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
  if (restored !== undefined && (!digest(restored.manifest) || typeof restored.settled !== 'string')) return false
  const vmSound =
    vm === undefined ||
    (typeof vm.image === 'string' &&
      typeof vm.secureBoot === 'boolean' &&
      typeof vm.encryption === 'string' &&
      (vm.firmwareUpdates === undefined || firmwareUpdates.includes(vm.firmwareUpdates)))
  if (!vmSound || pins === undefined) return vmSound
  const { bootFile, publisher, volume, generation = 1, variableUpdates = 1 } = pins
  const absentOrDigest = (value: unknown): boolean => value === undefined || digest(value)
  const counts = [generation, variableUpdates].every((count) => Number.isInteger(count) && count > 0)
  return digest(bootFile) && [publisher, volume].every(absentOrDigest) && counts && isSoundFirmware(pins.firmware)
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
