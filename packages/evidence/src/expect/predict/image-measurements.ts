import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import type { Jwk } from '../../tokens/keys.ts'
import { DocumentReader } from './document-reader.ts'
import { verifyDocument } from './verify-document.ts'
import { nothingPassed, separatorAlone, type BootRegisters } from './boot-registers.ts'
import { extendAll } from './pcr.ts'
import { pcr4Digests } from './pcr4.ts'
import { bootFileMembers, named, type BootFile } from './measured-boot-file.ts'
import { pcr7DigestsOf, secureBootVariables, type MeasuredVariables } from './pcr7.ts'
import type { BootPhase } from '../../eventlog/boot-phases.ts'
import { pcr11DigestsOf } from './pcr11.ts'

/** Which image was measured. */
export interface MeasuredImage {
  id: string
  name: string
  version: string
  /** Built here, imported, or captured from a VM's disk. */
  source: 'reference' | 'import' | 'capture'
}

/** Content of an image's root partition, which a paravisor compares with what it encrypts. */
export interface RootPartition {
  /** SHA-256 of its bytes. */
  sha256: Uint8Array
  bytes: number
}

/** What is needed to predict the registers of every boot of an image (docs/design/0008-image-measurements.md). */
export interface ImageMeasurements {
  image: MeasuredImage
  measuredAt: Date
  bootFile: BootFile
  /** Absent in documents of version 1, and where nothing could be compared with it: a disk captured from a VM. */
  root?: RootPartition
  /** SHA-256 over the image's certificates for db, in DER, one after the other; absent in documents of version 1. */
  certificates?: Uint8Array
  /** UEFI variables that VMs of the image start with, with Secure Boot and without. */
  variables: { on: MeasuredVariables; off: MeasuredVariables }
}

/**
 * Registers of a boot, from digests alone.
 * @param o.bootFile with the kernel's digest where `secureBoot` is false
 * @param o.machine PCR 1 of the machine (predictPcr1); omitted if no machine runs
 * @param o.through the last boot phase entered; without it, what the firmware's log replays to
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal } from '@strongroom/evidence'
 * import {
 *   findAuthority, measureBootFile, measureVariables, parsePe, parseVariableStore, predictPcr11, predictRegisters,
 * } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * const registers = await predictRegisters({
 *   bootFile: await measureBootFile({ image, kernel: false }),
 *   variables: await measureVariables({ variables, authority: findAuthority(variables, image) }),
 *   secureBoot: true,
 *   through: 'ready',
 * })
 * equal(registers[11], await predictPcr11(image, 'ready')) // => true
 */
export async function predictRegisters(o: {
  bootFile: BootFile
  variables: MeasuredVariables
  secureBoot: boolean
  machine?: Uint8Array | undefined
  through?: BootPhase | undefined
}): Promise<BootRegisters> {
  const { loader, kernel, sections } = o.bootFile
  return {
    1: o.machine ?? separatorAlone,
    4: await extendAll(await pcr4Digests({ loader, ...(!o.secureBoot && { kernel }) })),
    7: await extendAll(await pcr7DigestsOf(o.variables, o.secureBoot)),
    11: await extendAll(await pcr11DigestsOf(sections, o.through)),
    ...nothingPassed,
  }
}

/**
 * Registers of a boot of a measured image.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { isZero, parseJws } from '@strongroom/evidence'
 * import { parseImageMeasurements, predictImageRegisters } from '@strongroom/evidence/expected'
 *
 * const { payload } = parseJws(JSON.parse(await readFile('boot.json', 'utf8')).measurements)
 * const registers = await predictImageRegisters({ ...parseImageMeasurements(payload), secureBoot: true })
 * Object.keys(registers).includes('11') // => true
 * // What the host may pass to the image: nothing.
 * isZero(registers[12]) // => true
 */
export async function predictImageRegisters(
  o: ImageMeasurements & { secureBoot: boolean; machine?: Uint8Array | undefined },
): Promise<BootRegisters> {
  const variables = o.secureBoot ? o.variables.on : o.variables.off
  return await predictRegisters({
    bootFile: o.bootFile,
    variables,
    secureBoot: o.secureBoot,
    machine: o.machine,
    through: 'ready',
  })
}

/**
 * `typ` of the signed document, which is not a token and must not pass for one (RFC 8725 section 3.11).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws } from '@strongroom/evidence'
 * import { imageMeasurementsType } from '@strongroom/evidence/expected'
 *
 * // `typ` of the signed document, so that no token passes for one.
 * const { header } = parseJws(JSON.parse(await readFile('boot.json', 'utf8')).measurements)
 * header['typ'] === imageMeasurementsType // => true
 */
export const imageMeasurementsType = 'strongroom-image-measurements+jws'
/** Version 1 says nothing of the root partition and the certificates. */
const versions = [1, 2]

/**
 * The document that is signed: JSON, digests in hexadecimal.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import {
 *   findAuthority, imageMeasurementsText, measureBootFile, measureVariables, parseImageMeasurements, parsePe,
 *   parseVariableStore,
 * } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * const text = imageMeasurementsText({
 *   image: { id: 'web-1', name: 'web', version: '1.0', source: 'import' },
 *   measuredAt: new Date('2026-11-27'),
 *   bootFile: await measureBootFile({ image, kernel: false }),
 *   variables: {
 *     on: await measureVariables({ variables, authority: findAuthority(variables, image) }),
 *     off: await measureVariables({ variables: [], authority: undefined }),
 *   },
 * })
 * parseImageMeasurements(text).image.name // => 'web'
 */
export function imageMeasurementsText(o: ImageMeasurements): Uint8Array {
  const variables = ({ variables: list, authority }: MeasuredVariables): object => ({
    variables: named(list),
    ...(authority && { authority: toHex(authority) }),
  })
  const { id, name, version: release, source } = o.image
  return utf8(
    JSON.stringify({
      version: o.certificates === undefined ? 1 : 2,
      image: { id, name, version: release, source },
      measuredAt: o.measuredAt.toISOString(),
      bootFile: bootFileMembers(o.bootFile),
      ...(o.root && { root: { sha256: toHex(o.root.sha256), bytes: o.root.bytes } }),
      ...(o.certificates && { certificates: toHex(o.certificates) }),
      secureBoot: { on: variables(o.variables.on), off: variables(o.variables.off) },
    }),
  )
}

/**
 * Verifies a signed document of measurements (compact JWS, ES256) under keys that the caller pinned, and reads it.
 * @throws VerificationError TokenOfAnotherKind, AlgorithmNotAllowed, UnknownCriticalExtension, TokenKeyUnknown, TokenKeyNotAllowed,
 * TokenSignatureInvalid; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { verifyImageMeasurements } from '@strongroom/evidence/expected'
 *
 * const { measurements: jws } = JSON.parse(await readFile('boot.json', 'utf8'))
 * const { images: keys } = JSON.parse(await readFile('anchors.json', 'utf8'))
 * const { image } = await verifyImageMeasurements({ jws, keys })
 * image.version // => '13.0.20261127'
 * verifyImageMeasurements({ jws, keys: [] }) // throws VerificationError TokenKeyUnknown
 */
export async function verifyImageMeasurements(o: { jws: string; keys: readonly Jwk[] }): Promise<ImageMeasurements> {
  const of = { ...o, type: imageMeasurementsType, name: 'document of an image’s measurements' }
  return parseImageMeasurements(await verifyDocument(of))
}

const reader = new DocumentReader('image measurements')

/**
 * Reads what imageMeasurementsText writes, and nothing else. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws } from '@strongroom/evidence'
 * import { parseImageMeasurements } from '@strongroom/evidence/expected'
 *
 * const { payload } = parseJws(JSON.parse(await readFile('boot.json', 'utf8')).measurements)
 * const { image, bootFile } = parseImageMeasurements(payload)
 * image.name // => 'reference'
 * bootFile.sections.map(({ name }) => name) // => ['.linux']
 */
export function parseImageMeasurements(payload: Uint8Array): ImageMeasurements {
  const members = ['image', 'measuredAt', 'bootFile', 'secureBoot']
  const document = reader.document(payload, { versions, members, optional: ['root', 'certificates'] })
  const { root, certificates } = document
  if ((certificates === undefined) !== (document['version'] === 1))
    return reader.refuse('certificates', 'a digest in version 2, and none in version 1', certificates)
  if (certificates === undefined && root !== undefined) return reader.refuse('root', 'none in version 1', root)
  const secureBoot = reader.members(document['secureBoot'], 'secureBoot', ['on', 'off'])
  return {
    image: readImage(document['image']),
    measuredAt: reader.time(document['measuredAt'], 'measuredAt'),
    bootFile: reader.bootFile(document['bootFile']),
    ...(root !== undefined && { root: readRoot(root) }),
    ...(certificates !== undefined && { certificates: reader.sha256(certificates, 'certificates') }),
    variables: { on: readVariables(secureBoot['on'], 'on'), off: readVariables(secureBoot['off'], 'off') },
  }
}

function readImage(value: unknown): MeasuredImage {
  const image = reader.members(value, 'image', ['id', 'name', 'version', 'source'])
  const text = (name: string): string => reader.text(image[name], `image.${name}`)
  const { source } = image
  if (source !== 'reference' && source !== 'import' && source !== 'capture')
    return reader.refuse('image.source', 'reference, import or capture', source)
  return { id: text('id'), name: text('name'), version: text('version'), source }
}

function readRoot(value: unknown): RootPartition {
  const root = reader.members(value, 'root', ['sha256', 'bytes'])
  return {
    sha256: reader.sha256(root['sha256'], 'root.sha256'),
    bytes: reader.integer(root['bytes'], 'root.bytes', 1, Number.MAX_SAFE_INTEGER),
  }
}

function readVariables(value: unknown, which: string): MeasuredVariables {
  const path = `secureBoot.${which}`
  const read = reader.members(value, path, ['variables'], ['authority'])
  const variables = reader.digestList(read['variables'], `${path}.variables`, secureBootVariables)
  if (secureBootVariables.slice(0, 4).some((name, index) => variables[index]?.name !== name))
    return reader.refuse(`${path}.variables`, 'PK, KEK, db and dbx first', variables.map(({ name }) => name).join())
  const { authority } = read
  return {
    variables: variables as MeasuredVariables['variables'],
    ...(authority !== undefined && { authority: reader.sha256(authority, `${path}.authority`) }),
  }
}
