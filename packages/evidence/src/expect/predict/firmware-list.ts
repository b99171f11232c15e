import { utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import type { Jwk } from '../../tokens/keys.ts'
import { mrtd } from '../measure/mrtd.ts'
import { snpLaunchStart } from '../measure/snp-launch-digest.ts'
import { DocumentReader } from './document-reader.ts'
import { verifyDocument } from './verify-document.ts'

/** A release of the firmware that guests are launched with (docs/design/0020-firmware-updates.md). */
export interface FirmwareRelease {
  /** Package and version, for people. */
  version: string
  /** Increases with each release that fixes a flaw: a VM that ran a higher one is never launched with a lower one. */
  securityVersion: number
  builtAt: Date
  /** Of the flash file as guests are launched with it: without its kernel loader. */
  sha256: Uint8Array
  /** An SEV-SNP launch's measurement of it before the processors (`snpLaunchStart`). */
  snp: { start: Uint8Array; resetAddress: number }
  /** Of a TD. */
  mrtd: Uint8Array
}

/** The releases that an installation launches guests with. Of two lists, the later signed is in force. */
export interface FirmwareList {
  signedAt: Date
  /** Signed at the installation's first boot, without its operator. Valid only if there was no other before. */
  first: boolean
  releases: FirmwareRelease[]
}

/**
 * `typ` of the signed list: neither a token nor an image's document can pass for one.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws } from '@strongroom/evidence'
 * import { firmwareListType } from '@strongroom/evidence/expected'
 *
 * parseJws(JSON.parse(await readFile('boot.json', 'utf8')).measurements).header['typ'] === firmwareListType // => false
 */
export const firmwareListType = 'strongroom-firmware-list+jws'
const version = 1
const mostSecurityVersion = 999_999_999
const mostReleases = 64

/**
 * A release's measurements, for either technology.
 * @param firmware flash file as guests are launched with it
 * @throws ParseError for firmware that starts no further processors
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { measureFirmware } from '@strongroom/evidence/expected'
 *
 * const { sha256, snp } = await measureFirmware(await readFile('tdvf.fd'))
 * sha256.length // => 32
 * snp.start.length // => 48
 */
export async function measureFirmware(firmware: Uint8Array): Promise<Pick<FirmwareRelease, 'sha256' | 'snp' | 'mrtd'>> {
  const { start, resetAddress } = await snpLaunchStart(firmware)
  if (resetAddress === undefined)
    throw new ParseError({ code: 'Missing', message: 'Firmware image has no reset block for further processors' })
  return { sha256: await digest('SHA-256', firmware), snp: { start, resetAddress }, mrtd: await mrtd({ firmware }) }
}

/**
 * The list as it is signed: JSON, digests in hexadecimal.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { firmwareListText, measureFirmware } from '@strongroom/evidence/expected'
 *
 * const release = { version: 'ovmf 2025.02-8', securityVersion: 1, builtAt: new Date('2025-03-01') }
 * const measured = await measureFirmware(await readFile('tdvf.fd'))
 * const list = { signedAt: new Date('2026-11-29'), first: true }
 * const text = firmwareListText({ ...list, releases: [{ ...release, ...measured }] })
 * JSON.parse(new TextDecoder().decode(text)).releases.length // => 1
 */
export function firmwareListText({ signedAt, first, releases }: FirmwareList): Uint8Array {
  const members = (release: FirmwareRelease): object => ({
    version: release.version,
    securityVersion: release.securityVersion,
    builtAt: release.builtAt.toISOString(),
    sha256: toHex(release.sha256),
    snp: { start: toHex(release.snp.start), resetAddress: release.snp.resetAddress },
    mrtd: toHex(release.mrtd),
  })
  const document = { version, signedAt: signedAt.toISOString(), first, releases: releases.map(members) }
  return utf8(JSON.stringify(document))
}

/**
 * Verifies a signed list (compact JWS, ES256) under keys that the caller pinned, and reads it.
 * @throws VerificationError TokenOfAnotherKind, AlgorithmNotAllowed, UnknownCriticalExtension, TokenKeyUnknown, TokenKeyNotAllowed,
 * TokenSignatureInvalid; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { verifyFirmwareList } from '@strongroom/evidence/expected'
 *
 * const { images: keys } = JSON.parse(await readFile('anchors.json', 'utf8'))
 * const { measurements: jws } = JSON.parse(await readFile('boot.json', 'utf8'))
 * verifyFirmwareList({ jws, keys }) // throws VerificationError TokenOfAnotherKind
 */
export async function verifyFirmwareList(o: { jws: string; keys: readonly Jwk[] }): Promise<FirmwareList> {
  return parseFirmwareList(await verifyDocument({ ...o, type: firmwareListType, name: 'list of firmware releases' }))
}

const reader = new DocumentReader('firmware list')

/** Reads exactly what firmwareListText writes. @throws ParseError */
export function parseFirmwareList(payload: Uint8Array): FirmwareList {
  const document = reader.document(payload, { versions: [version], members: ['signedAt', 'first', 'releases'] })
  const { first, releases: list } = document
  if (typeof first !== 'boolean') return reader.refuse('first', 'true or false', first)
  if (!Array.isArray(list) || list.length > mostReleases)
    return reader.refuse('releases', `a list of at most ${mostReleases} releases`, list)
  const releases = list.map((each: unknown, index) => readRelease(each, `releases[${index}]`))
  const digests = new Set(releases.map(({ sha256 }) => toHex(sha256)))
  // With two entries, the reader would choose which one counts.
  if (digests.size !== releases.length) return reader.refuse('releases', 'each firmware once', 'one twice')
  return { signedAt: reader.time(document['signedAt'], 'signedAt'), first, releases }
}

function readRelease(value: unknown, path: string): FirmwareRelease {
  const names = ['version', 'securityVersion', 'builtAt', 'sha256', 'snp', 'mrtd']
  const release = reader.members(value, path, names)
  const snp = reader.members(release['snp'], `${path}.snp`, ['start', 'resetAddress'])
  return {
    version: reader.text(release['version'], `${path}.version`),
    securityVersion: reader.integer(release['securityVersion'], `${path}.securityVersion`, 0, mostSecurityVersion),
    builtAt: reader.time(release['builtAt'], `${path}.builtAt`),
    sha256: reader.sha256(release['sha256'], `${path}.sha256`),
    snp: {
      start: reader.sha384(snp['start'], `${path}.snp.start`),
      resetAddress: reader.integer(snp['resetAddress'], `${path}.snp.resetAddress`, 0, 2 ** 32 - 1),
    },
    mrtd: reader.sha384(release['mrtd'], `${path}.mrtd`),
  }
}
