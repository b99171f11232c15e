import { fromBase64, toBase64 } from '../../core/bytes/base64.ts'
import { equal, utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../../core/errors.ts'
import { extendAll } from './pcr.ts'

/**
 * Register into which the reference image's agent measures, at every boot, the settings of the first boot.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { settingsRegister } from '@strongroom/evidence/expected'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * // This guest's image settles nothing.
 * boot.measuredBoot.pcrs[String(settingsRegister)] // => '0000000000000000000000000000000000000000000000000000000000000000'
 */
export const settingsRegister = 14

/** Accounts and settings of a guest, as applied at its first boot. */
export interface GuestSettings {
  hostname: string
  adminUsername: string
  /** Upper-case GUID. */
  vmId: string
  /**
   * SHA-256 of the certificate authority (PEM text) whose services the guest trusts. Absent for images that do not fix
   * it: a host can change it at each boot.
   */
  authorityDigest?: Uint8Array
  /** Absent if there is none; never empty. */
  customData?: Uint8Array
  /** SHA-256 of the password's salted hash; absent if the account has none. */
  passwordDigest?: Uint8Array
  /** Lines of authorized_keys. */
  sshPublicKeys: string[]
}

/** Fits custom data of 64 KiB and sixteen keys of maximum length. */
const sizeLimit = 512 * 1024
const singles = ['hostname', 'adminUsername', 'vmId', 'authorityDigest', 'customData', 'passwordDigest'] as const
const digestLength = 32

/**
 * `/var/lib/strongroom/settled` of a guest with these settings (image/recipes/common/agent): lines of a name and a
 * base64 value, in this order, keys last.
 * @example
 * import { settingsText } from '@strongroom/evidence/expected'
 *
 * const settled = settingsText({ hostname: 'vm1', adminUsername: 'me', vmId: '0A1B', sshPublicKeys: [] })
 * new TextDecoder().decode(settled).split('\n')[0] // => 'hostname dm0x'
 */
export function settingsText(settings: GuestSettings): Uint8Array {
  const line = (name: string, value: Uint8Array): string => `${name} ${toBase64(value)}\n`
  const { authorityDigest, customData = new Uint8Array(), passwordDigest } = settings
  const texts = [
    line('hostname', utf8(settings.hostname)),
    line('adminUsername', utf8(settings.adminUsername)),
    line('vmId', utf8(settings.vmId)),
    ...(authorityDigest === undefined ? [] : [line('authorityDigest', authorityDigest)]),
    // The agent omits empty values.
    ...(customData.length === 0 ? [] : [line('customData', customData)]),
    ...(passwordDigest === undefined ? [] : [line('passwordDigest', passwordDigest)]),
    ...settings.sshPublicKeys.map((key) => line('sshPublicKey', utf8(key))),
  ]
  return utf8(texts.join(''))
}

/**
 * PCR 14 of a boot of a guest with this file.
 * @example
 * import { toHex } from '@strongroom/evidence'
 * import { settingsRegisterValue, settingsText } from '@strongroom/evidence/expected'
 *
 * const settled = settingsText({ hostname: 'vm1', adminUsername: 'me', vmId: '0A1B', sshPublicKeys: [] })
 * toHex(await settingsRegisterValue(settled)).slice(0, 16) // => '1c2ace840ced80df'
 */
export async function settingsRegisterValue(settled: Uint8Array): Promise<Uint8Array> {
  return await extendAll([await digest('SHA-256', settled)])
}

/**
 * Reads a guest's settings. One meaning has one form: another order, another base64, or a control character inside a
 * value (which would become a line of authorized_keys) is refused.
 * @throws ParseError
 * @example
 * import { concat, utf8 } from '@strongroom/evidence'
 * import { parseSettings, settingsText } from '@strongroom/evidence/expected'
 *
 * const settled = settingsText({ hostname: 'vm1', adminUsername: 'me', vmId: '0A1B', sshPublicKeys: ['ssh-ed25519 AAAA'] })
 * parseSettings(settled).sshPublicKeys // => ['ssh-ed25519 AAAA']
 * parseSettings(concat(settled, utf8('\n'))) // throws ParseError UnknownType
 */
export function parseSettings(settled: Uint8Array): GuestSettings {
  if (settled.length > sizeLimit)
    throw new ParseError({ code: 'TooLarge', message: `settings: more than ${sizeLimit} bytes` })
  const lines = decodeText(settled, 'the file').split('\n')
  if (lines.pop() !== '') throw new ParseError({ code: 'Truncated', message: 'settings: the last line has no end' })
  const found = new Map<string, Uint8Array>()
  const sshPublicKeys: string[] = []
  for (const line of lines) {
    const space = line.indexOf(' ')
    const name = line.slice(0, Math.max(space, 0))
    const value = fromBase64(line.slice(space + 1))
    if (name === 'sshPublicKey') sshPublicKeys.push(textValue(value, name))
    else if (!singles.some((each) => each === name))
      throw new ParseError({ code: 'UnknownType', message: 'settings: a line has a name that no agent writes' })
    else if (found.has(name)) throw new ParseError({ code: 'Duplicate', message: `settings: two lines of ${name}` })
    else found.set(name, value)
  }
  const required = (name: string): string => {
    const value = found.get(name)
    if (value === undefined) throw new ParseError({ code: 'Missing', message: `settings: no ${name}` })
    return textValue(value, name)
  }
  const customData = found.get('customData')
  const digestOf = (name: string): Uint8Array | undefined => {
    const value = found.get(name)
    if (value !== undefined && value.length !== digestLength)
      throw new ParseError({ code: 'InvalidValue', message: `settings: ${name} is not ${digestLength} bytes` })
    return value
  }
  const authorityDigest = digestOf('authorityDigest')
  const passwordDigest = digestOf('passwordDigest')
  const settings: GuestSettings = {
    hostname: required('hostname'),
    adminUsername: required('adminUsername'),
    vmId: required('vmId'),
    ...(authorityDigest !== undefined && { authorityDigest }),
    ...(customData !== undefined && { customData }),
    ...(passwordDigest !== undefined && { passwordDigest }),
    sshPublicKeys,
  }
  if (!equal(settingsText(settings), settled))
    throw new ParseError({ code: 'NotCanonical', message: 'settings: not as an agent writes them' })
  return settings
}

/**
 * Verifies a guest's settings against its TPM's quote. Their origin does not matter: PCR 14 covers exactly these
 * settings.
 * @param o.quoted PCR 14 of a verified quote
 * @throws ParseError, VerificationError EventLogMismatch
 * @example
 * import { settingsRegisterValue, settingsText, verifySettings } from '@strongroom/evidence/expected'
 *
 * const settled = settingsText({ hostname: 'vm1', adminUsername: 'me', vmId: '0A1B', sshPublicKeys: [] })
 * const quoted = await settingsRegisterValue(settled) // in practice: PCR 14 of a quote
 * const { hostname } = await verifySettings({ settled, quoted })
 * hostname // => 'vm1'
 * verifySettings({ settled, quoted: new Uint8Array(32) }) // throws VerificationError EventLogMismatch
 */
export async function verifySettings(o: { settled: Uint8Array; quoted: Uint8Array }): Promise<GuestSettings> {
  const value = await settingsRegisterValue(o.settled)
  if (!equal(value, o.quoted)) {
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: `The settings do not replay to PCR ${settingsRegister}: the guest took others, or measured none.`,
      expected: toHex(value),
      found: toHex(o.quoted),
    })
  }
  return parseSettings(o.settled)
}

function textValue(value: Uint8Array, name: string): string {
  const text = decodeText(value, name)
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  if (text === '' || /[\u0000-\u001f\u007f]/.test(text))
    throw new ParseError({ code: 'InvalidValue', message: `settings: ${name} is empty or more than one line` })
  return text
}

function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new ParseError({ code: 'InvalidEncoding', message: `settings: ${name} is not text`, cause })
  }
}
