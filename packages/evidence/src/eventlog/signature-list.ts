import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, equal } from '../core/bytes/bytes.ts'
import { ParseError } from '../core/errors.ts'
import { formatGuid, parseGuid } from '../core/bytes/guid.ts'

/** One entry of db, dbx, KEK or PK. */
export interface SignatureEntry {
  type: 'x509' | 'sha256' | 'other'
  /** EFI_SIGNATURE_DATA whole: owner GUID and content. This is what the firmware measures as the authority. */
  raw: Uint8Array
  /** For x509 the certificate as DER, for sha256 an Authenticode digest. */
  content: Uint8Array
}

/** One EFI_SIGNATURE_LIST: entries of one type and one size. */
interface SignatureList {
  /** Lower-case GUID. */
  type: string
  header: Uint8Array
  size: number
  entries: Uint8Array[]
}

const types: ReadonlyMap<string, SignatureEntry['type']> = new Map([
  ['a5c059a1-94e4-4aa7-87b5-ab155c2bf072', 'x509'],
  ['c1c41626-504c-4092-aca9-41f936934328', 'sha256'],
])
const fixedLength = 28

/**
 * Reads a chain of EFI_SIGNATURE_LISTs (UEFI 2.10 section 32.4.1). @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { describeName, parseCertificate } from '@strongroom/evidence'
 * import { efiVendor, parseSignatureLists, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const db = variableData(parseVariableStore(await readFile('variables.fd')), 'db', efiVendor.imageSecurity)
 * const certificates = parseSignatureLists(db).filter(({ type }) => type === 'x509')
 * const [first, , last] = certificates.map(({ content }) => describeName(parseCertificate(content).subject))
 * first // => 'Microsoft Windows Production PCA 2011'
 * last // => 'Strongroom reference image'
 */
export function parseSignatureLists(bytes: Uint8Array): SignatureEntry[] {
  return readLists(bytes).flatMap(({ type, entries }) =>
    entries.map((raw) => ({ type: types.get(type) ?? 'other', raw, content: raw.subarray(16) })),
  )
}

function readLists(bytes: Uint8Array): SignatureList[] {
  const reader = new ByteReader(bytes, 'signature lists')
  const lists: SignatureList[] = []
  while (reader.remaining > 0) {
    const offset = reader.offset
    const type = formatGuid(reader.bytes(16, 'signature type'))
    const listSize = reader.u32le('list size')
    const headerSize = reader.u32le('header size')
    const size = reader.u32le('signature size')
    if (listSize < fixedLength + headerSize || size < 16 || (listSize - fixedLength - headerSize) % size !== 0) {
      throw new ParseError({ code: 'WrongLength', message: 'signature list: sizes do not fit together', offset })
    }
    const header = reader.bytes(headerSize, 'signature header')
    const list = reader.structure(listSize - fixedLength - headerSize, 'signatures')
    const entries: Uint8Array[] = []
    while (list.remaining > 0) entries.push(list.bytes(size, 'signature'))
    lists.push({ type, header, size, entries })
  }
  return lists
}

/**
 * Signature lists with others appended, as firmware does it: entries that are there already are left out, and so are lists that
 * have no other (EDK II, FilterSignatureList). @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { appendSignatureLists, efiVendor, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const db = variableData(parseVariableStore(await readFile('variables.fd')), 'db', efiVendor.imageSecurity)
 * appendSignatureLists(db, db).length === db.length // => true
 */
export function appendSignatureLists(existing: Uint8Array, added: Uint8Array): Uint8Array {
  const known = readLists(existing)
  const isKnown = (list: SignatureList, entry: Uint8Array): boolean =>
    known.some(
      ({ type, size, entries }) =>
        type === list.type && size === list.size && entries.some((each) => equal(each, entry)),
    )
  const parts = readLists(added).map((list) => {
    const entries = list.entries.filter((entry) => !isKnown(list, entry))
    return entries.length === 0 ? new Uint8Array() : writeList({ ...list, entries })
  })
  return concat(existing, ...parts)
}

function writeList({ type, header, size, entries }: SignatureList): Uint8Array {
  return new ByteWriter()
    .bytes(parseGuid(type))
    .u32le(fixedLength + header.length + size * entries.length)
    .u32le(header.length)
    .u32le(size)
    .bytes(header)
    .bytes(concat(...entries))
    .finish()
}

/**
 * One EFI_SIGNATURE_LIST for each entry's type and size, in the order in which they are given.
 * @param o.owner GUID of who adds them
 * @example
 * import { parseSignatureLists, signatureLists } from '@strongroom/evidence/expected'
 *
 * const lists = signatureLists({ owner: '5a1e0000-0000-4000-8000-000000000db1', sha256: [new Uint8Array(32)] })
 * parseSignatureLists(lists).map(({ type }) => type) // => ['sha256']
 */
export function signatureLists(o: {
  owner: string
  /** DER. */
  certificates?: readonly Uint8Array[]
  /** Authenticode digests. */
  sha256?: readonly Uint8Array[]
}): Uint8Array {
  const owner = parseGuid(o.owner)
  const listOf = (name: SignatureEntry['type'], contents: readonly Uint8Array[]): Uint8Array[] => {
    const [type] = [...types].find(([, each]) => each === name) ?? ['']
    const size = 16 + (contents[0]?.length ?? 0)
    return contents.length === 0
      ? []
      : [writeList({ type, header: new Uint8Array(), size, entries: contents.map((each) => concat(owner, each)) })]
  }
  const { certificates = [], sha256 = [] } = o
  return concat(...certificates.flatMap((each) => listOf('x509', [each])), ...listOf('sha256', sha256))
}
