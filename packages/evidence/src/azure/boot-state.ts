import { ByteReader } from '../bytes/byte-reader.ts'
import { equal } from '../bytes/bytes.ts'
import { digest } from '../bytes/digest.ts'
import { toHex } from '../bytes/hex.ts'
import { type MeasuredEvent, type VerifiedEventLog, separators } from '../eventlog/replay.ts'
import { guidFromBytes } from '../predict/guid.ts'
import { parseSignatureLists, type SignatureEntry } from '../predict/signature-list.ts'
import { efiVendor } from '../predict/variable-store.ts'
import { ParseError } from '../result/errors.ts'

/** A UEFI variable as firmware measured it (UEFI_VARIABLE_DATA, PC Client Platform Firmware Profile section 10.4.2). */
export interface MeasuredVariable {
  name: string
  /** Lower-case GUID. */
  vendor: string
  data: Uint8Array
}

/**
 * What a log that equals its quote says of Secure Boot and debuggers. A member that is absent was not measured, or not in a
 * way that its digest covers: nothing may be concluded from it.
 */
export interface BootState {
  secureBoot?: boolean
  /** db is a list of signatures and holds every authority that firmware says it trusted an image by. */
  dbValidated?: boolean
  /** dbx is a list with entries, and none of the trusted authorities is on it. */
  dbxValidated?: boolean
  /** PK and KEK are of the keys that firmware is delivered with (`defaultSecureBootKeys`). */
  defaultKeysValidated?: boolean
  /** Firmware measured no debugger (section 3.3.4.8 of the profile has it say so in register 7). */
  debuggersDisabled?: boolean
}

/** SHA-256 of the certificates that Debian's and Microsoft's firmware templates enrol as PK and KEK. */
export const defaultSecureBootKeys: ReadonlyMap<string, string> = new Map([
  ['5fb05ed84c5170d542ed6a7b7487dd57b8faedb02f7e107b0409e1d22cac4169', 'Debian UEFI Secure Boot (PK/KEK key)'],
  ['a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503', 'Microsoft Corporation KEK CA 2011'],
  ['3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d', 'Microsoft Corporation KEK 2K CA 2023'],
])

const register = 7
/** Texts by which firmware says that a debugger is on; digests decide, so that the log's text cannot hide it. */
const debuggerTexts = ['UEFI Debug Mode', 'UEFI Debug Mode\0', 'Firmware Debugger', 'Firmware Debugger\0']

/**
 * Reads Secure Boot's state from register 7. Types in a log are hints that no digest covers, so records are told apart by
 * measured content alone; and whoever has the running system may extend registers, so configuration counts only before the
 * firmware's separator.
 */
export async function readBootState(log: VerifiedEventLog): Promise<BootState> {
  if (log.bank !== 'sha256' || !log.registers.has(register)) return {}
  const events = log.events.filter((event) => event.pcr === register)
  const [separator] = separators(log, register)
  // Without a separator firmware did not finish; one of ones says that it failed.
  if (separator === undefined || separator.data.some((byte) => byte !== 0)) return {}
  const at = events.indexOf(separator)
  const configuration = events.slice(0, at)
  const variables = covered(configuration)
  const one = (name: string, vendor: string): Uint8Array | undefined => {
    const found = variables.filter((each) => each.name === name && each.vendor === vendor)
    return found.length === 1 ? found[0]!.data : undefined
  }
  const enabled = one('SecureBoot', efiVendor.global)
  const db = entriesOf(one('db', efiVendor.imageSecurity))
  const dbx = entriesOf(one('dbx', efiVendor.imageSecurity))
  const keys = [one('PK', efiVendor.global), one('KEK', efiVendor.global)].map((data) => entriesOf(data))
  const authorities = covered(events.slice(at + 1)).filter((each) => each.name === 'db')
  const secureBoot = enabled?.length === 1 ? enabled[0] === 1 : undefined
  return {
    ...(secureBoot === undefined ? {} : { secureBoot }),
    ...(db === undefined ? {} : { dbValidated: dbHolds(db, authorities, secureBoot === true) }),
    ...(dbx === undefined ? {} : { dbxValidated: dbx.length > 0 && !isRevoked(authorities, dbx) }),
    ...(keys.includes(undefined) ? {} : { defaultKeysValidated: await areDefault(keys as SignatureEntry[][]) }),
    debuggersDisabled: !(await hasDebugger(configuration)),
  }
}

/**
 * Reads the data of a record about a variable. @throws ParseError
 */
export function parseMeasuredVariable(data: Uint8Array): MeasuredVariable {
  const reader = new ByteReader(data, 'measured variable')
  const vendor = guidFromBytes(reader.bytes(16, 'vendor'))
  const nameLength = reader.u64le('name length')
  const dataLength = reader.u64le('data length')
  if (nameLength > 1024n || dataLength > BigInt(data.length)) {
    throw new ParseError({ code: 'TooLarge', message: 'measured variable: lengths beyond its end', offset: 16 })
  }
  const name = new TextDecoder('utf-16le').decode(reader.bytes(Number(nameLength) * 2, 'name'))
  const content = reader.bytes(Number(dataLength), 'data')
  reader.end()
  return { name, vendor, data: content }
}

function covered(events: readonly MeasuredEvent[]): MeasuredVariable[] {
  return events.flatMap((event) => {
    if (event.coverage !== 'covered') return []
    const variable = orUndefined(() => parseMeasuredVariable(event.data))
    return variable === undefined ? [] : [variable]
  })
}

function entriesOf(data: Uint8Array | undefined): SignatureEntry[] | undefined {
  return data === undefined ? undefined : orUndefined(() => parseSignatureLists(data))
}

function dbHolds(db: SignatureEntry[], authorities: MeasuredVariable[], needed: boolean): boolean {
  if (db.length === 0 || (needed && authorities.length === 0)) return false
  return authorities.every(({ data }) => db.some((entry) => equal(entry.raw, data)))
}

function isRevoked(authorities: MeasuredVariable[], dbx: SignatureEntry[]): boolean {
  // An authority is one EFI_SIGNATURE_DATA: owner's GUID, then the certificate or digest.
  return authorities.some(({ data }) => dbx.some((entry) => equal(entry.content, data.subarray(16))))
}

async function areDefault(lists: SignatureEntry[][]): Promise<boolean> {
  for (const list of lists) {
    if (list.length === 0) return false
    for (const { content } of list)
      if (!defaultSecureBootKeys.has(toHex(await digest('SHA-256', Uint8Array.from(content))))) return false
  }
  return true
}

async function hasDebugger(events: readonly MeasuredEvent[]): Promise<boolean> {
  for (const text of debuggerTexts) {
    const wanted = await digest('SHA-256', new TextEncoder().encode(text))
    if (events.some((event) => equal(event.digests.get('sha256') ?? new Uint8Array(), wanted))) return true
  }
  return false
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}
