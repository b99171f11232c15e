import { derTag, DerReader, type DerValue } from '../core/der/der-reader.ts'
import { readBoolean, readNamedBits, readOid, readSmallInteger } from '../core/der/der-values.ts'
import { oid } from './oids.ts'

/** An extension of a certificate, a list or a list entry. */
export interface Extension {
  oid: string
  critical: boolean
  /** Content of the OCTET STRING. */
  value: Uint8Array
  /** Offset of `value` in the outermost input. */
  offset: number
}

export interface BasicConstraints {
  ca: boolean
  pathLength: number | undefined
}

/** Bits of RFC 5280 section 4.2.1.3, in order. */
const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof keyUsages)[number]

/** VCEK certificates have the most, about twenty. */
const maximumExtensions = 64

/** SEQUENCE OF Extension. Each may occur once (RFC 5280 section 4.2). */
export function readExtensions(reader: DerReader, field: string): Extension[] {
  const list = reader.sequence(field)
  if (list.atEnd) list.fail('Missing', 'a list of extensions may not be empty')
  const extensions: Extension[] = []
  while (!list.atEnd) {
    const item = list.sequence('extension')
    const name = readOid(item, 'extension name')
    const critical = item.peek() === derTag.boolean ? readBoolean(item, 'critical') : false
    const value: DerValue = item.expect(derTag.octetString, 'extension value')
    item.end()
    if (findExtension(extensions, name) !== undefined) list.fail('Duplicate', `extension ${name} occurs twice`)
    if (extensions.length === maximumExtensions) list.fail('TooLarge', `more than ${maximumExtensions} extensions`)
    extensions.push({ oid: name, critical, value: value.content, offset: value.contentOffset })
  }
  return extensions
}

/**
 * The extension with this object identifier; undefined if the certificate has none.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { amdOid, findExtension, parseCertificate } from '@strongroom/evidence'
 *
 * const vcek = parseCertificate(await readFile('vcek.der'))
 * findExtension(vcek.extensions, amdOid.hardwareId)?.value.length // => 64
 * findExtension(vcek.extensions, '1.2.3') // => undefined
 */
export function findExtension(extensions: readonly Extension[], name: string): Extension | undefined {
  for (const extension of extensions) if (extension.oid === name) return extension
  return undefined
}

/**
 * Reader over an extension's value whose errors carry outer offsets.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { amdOid, extensionReader, findExtension, parseCertificate, readSmallInteger } from '@strongroom/evidence'
 *
 * const vcek = parseCertificate(await readFile('vcek.der'))
 * const svn = findExtension(vcek.extensions, amdOid.snp)
 * svn && readSmallInteger(extensionReader(svn, 'SNP SVN'), 'value') // => 8
 */
export function extensionReader(extension: Extension, structure: string): DerReader {
  return new DerReader(extension.value, structure, extension.offset)
}

export function readBasicConstraints(extensions: readonly Extension[]): BasicConstraints | undefined {
  const extension = findExtension(extensions, oid.basicConstraints)
  if (extension === undefined) return undefined
  const outer = extensionReader(extension, 'basicConstraints')
  const reader = outer.sequence('basicConstraints')
  const ca = reader.peek() === derTag.boolean ? readBoolean(reader, 'cA') : false
  const pathLength = reader.peek() === derTag.integer ? readSmallInteger(reader, 'pathLenConstraint', 255) : undefined
  reader.end()
  outer.end()
  return { ca, pathLength }
}

export function readKeyUsage(extensions: readonly Extension[]): ReadonlySet<KeyUsage> | undefined {
  const extension = findExtension(extensions, oid.keyUsage)
  if (extension === undefined) return undefined
  const reader = extensionReader(extension, 'keyUsage')
  const bits = readNamedBits(reader, 'keyUsage')
  reader.end()
  return new Set(keyUsages.filter((_, index) => bits[index] === true))
}

export function readExtendedKeyUsage(extensions: readonly Extension[]): string[] | undefined {
  const extension = findExtension(extensions, oid.extendedKeyUsage)
  if (extension === undefined) return undefined
  const outer = extensionReader(extension, 'extendedKeyUsage')
  const reader = outer.sequence('extendedKeyUsage')
  const purposes: string[] = []
  while (!reader.atEnd) purposes.push(readOid(reader, 'purpose'))
  outer.end()
  return purposes
}
