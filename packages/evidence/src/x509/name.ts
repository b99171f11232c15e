import { equal } from '../core/bytes/bytes.ts'
import { derTag, type DerReader } from '../core/der/der-reader.ts'
import { readOid, stringOf } from '../core/der/der-values.ts'
import { oid } from './oids.ts'

/** Distinguished name. Two names are equal if their bytes are: vendors copy the issuer's subject. */
export interface Name {
  raw: Uint8Array
  attributes: { type: string; value: string }[]
  /** The only commonName; undefined if there is none or more than one. */
  commonName: string | undefined
}

export function readName(reader: DerReader, field: string): Name {
  const value = reader.expect(derTag.sequence, field)
  const names = reader.enter(value, field)
  const attributes: { type: string; value: string }[] = []
  while (!names.atEnd) {
    const set = names.set('relative name')
    if (set.atEnd) set.fail('Missing', 'relative name is empty')
    while (!set.atEnd) {
      const attribute = set.sequence('attribute')
      const type = readOid(attribute, 'attribute type')
      const text = stringOf(attribute.next('attribute value'), 'attribute value')
      attribute.end()
      attributes.push({ type, value: text })
    }
  }
  const [common, ...others] = attributes.filter((attribute) => attribute.type === oid.commonName)
  return { raw: value.raw, attributes, commonName: others.length === 0 ? common?.value : undefined }
}

/**
 * True for the same DER: names are compared as encoded.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseCertificate, parsePem, sameName } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8')).map(parseCertificate)
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * sameName(ask.issuer, ark.subject) // => true
 * sameName(ask.subject, ark.subject) // => false
 */
export function sameName(left: Name, right: Name): boolean {
  return equal(left.raw, right.raw)
}

/**
 * For messages: the common name, or the attributes in order.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, parseCertificate, parsePem } from '@strongroom/evidence'
 *
 * const [ask] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * describeName(parseCertificate(ask ?? new Uint8Array()).subject) // => 'SEV-Milan'
 */
export function describeName(name: Name): string {
  return name.commonName ?? name.attributes.map((attribute) => `${attribute.type}=${attribute.value}`).join(', ')
}
