import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ParseError } from '../core/errors.ts'
import { formatGuid } from '../core/bytes/guid.ts'

/** One entry of db, dbx, KEK or PK. */
export interface SignatureEntry {
  type: 'x509' | 'other'
  /** EFI_SIGNATURE_DATA whole: owner GUID and content. This is what the firmware measures as the authority. */
  raw: Uint8Array
  /** For x509 the certificate as DER. */
  content: Uint8Array
}

const x509 = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'

/**
 * Reads a chain of EFI_SIGNATURE_LISTs (UEFI 2.10 section 32.4.1). @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, parseCertificate } from '@strongroom/evidence'
 * import { efiVendor, parseSignatureLists, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const db = variableData(parseVariableStore(await readFile('variables.fd')), 'db', efiVendor.imageSecurity)
 * const certificates = parseSignatureLists(db).filter(({ type }) => type === 'x509')
 * certificates.map(({ content }) => describeName(parseCertificate(content).subject)) // => ['Microsoft Windows Production PCA 2011', 'Microsoft Corporation UEFI CA 2011', 'Strongroom reference image']
 */
export function parseSignatureLists(bytes: Uint8Array): SignatureEntry[] {
  const reader = new ByteReader(bytes, 'signature lists')
  const entries: SignatureEntry[] = []
  while (reader.remaining > 0) {
    const offset = reader.offset
    const type = formatGuid(reader.bytes(16, 'signature type')) === x509 ? 'x509' : 'other'
    const listSize = reader.u32le('list size')
    const headerSize = reader.u32le('header size')
    const size = reader.u32le('signature size')
    if (listSize < 28 + headerSize || size < 16 || (listSize - 28 - headerSize) % size !== 0) {
      throw new ParseError({ code: 'WrongLength', message: 'signature list: sizes do not fit together', offset })
    }
    reader.bytes(headerSize, 'signature header')
    const list = reader.structure(listSize - 28 - headerSize, 'signatures')
    while (list.remaining > 0) {
      const raw = list.bytes(size, 'signature')
      entries.push({ type, raw, content: raw.subarray(16) })
    }
  }
  return entries
}
