import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { type BootClaims, bootClaims } from '../eventlog/boot-claims.ts'
import { type MeasuredEvent, type VerifiedEventLog, separators } from '../eventlog/replay.ts'
import { parseSignatureLists, type SignatureEntry } from '../eventlog/signature-list.ts'
import { ParseError } from '../core/errors.ts'

/**
 * What a log that matches its quote shows about Secure Boot and debuggers. An absent member was not measured, or its
 * digest does not cover it: draw no conclusion from it.
 */
export interface BootState {
  secureBoot?: boolean
  /** db is a signature list and contains every authority that the firmware reports trusting. */
  dbValidated?: boolean
  /** dbx is a list with entries, and contains none of the trusted authorities. */
  dbxValidated?: boolean
  /** PK and KEK are among the keys that firmware ships with (`defaultSecureBootKeys`). */
  defaultKeysValidated?: boolean
  /** Firmware measured no debugger (profile section 3.3.4.8 requires it to measure one into register 7). */
  debuggersDisabled?: boolean
}

/**
 * SHA-256 of the certificates that Debian's and Microsoft's firmware templates enrol as PK and KEK.
 * @example
 * import { defaultSecureBootKeys } from '@strongroom/evidence'
 *
 * // Is a certificate enrolled as PK or KEK one of the firmware templates' own?
 * defaultSecureBootKeys.has('00'.repeat(32)) // => false
 * Array.from(defaultSecureBootKeys.values()).includes('Microsoft Corporation KEK CA 2011') // => true
 */
export const defaultSecureBootKeys: ReadonlyMap<string, string> = new Map([
  ['5fb05ed84c5170d542ed6a7b7487dd57b8faedb02f7e107b0409e1d22cac4169', 'Debian UEFI Secure Boot (PK/KEK key)'],
  ['a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503', 'Microsoft Corporation KEK CA 2011'],
  ['3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d', 'Microsoft Corporation KEK 2K CA 2023'],
])

type Authorities = NonNullable<BootClaims['secureBoot']>['authorities']

const register = 7
/** Texts with which firmware reports an enabled debugger. Compared by digest, so that editing the log's text cannot hide one. */
const debuggerTexts = ['UEFI Debug Mode', 'UEFI Debug Mode\0', 'Firmware Debugger', 'Firmware Debugger\0']

/**
 * Reads the state of Secure Boot and debuggers from register 7. No digest covers the types in a log, so records are
 * distinguished only by measured content; and the running system can extend registers, so configuration is accepted
 * only before the firmware's separator.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, readBootState, replay, verifyEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const verified = await verifyEventLog({ log, bank: 'sha256', registers: await replay(log, 'sha256') })
 * const { secureBoot, dbValidated, debuggersDisabled } = await readBootState(verified)
 * const state = [secureBoot, dbValidated, debuggersDisabled]
 * state // => [true, true, true]
 */
export async function readBootState(log: VerifiedEventLog): Promise<BootState> {
  if (log.bank !== 'sha256' || !log.registers.has(register)) return {}
  const events = log.events.filter((event) => event.pcr === register)
  const [separator] = separators(log, register)
  // Without a separator the firmware did not finish; a separator of ones reports that it failed.
  if (separator === undefined || separator.data.some((byte) => byte !== 0)) return {}
  const debuggersDisabled = !(await hasDebugger(events.slice(0, events.indexOf(separator))))
  const { secureBoot } = await bootClaims(log)
  if (secureBoot === undefined) return { debuggersDisabled }
  const { enabled, variables } = secureBoot
  const authorities = secureBoot.authorities.filter(({ name }) => name === 'db')
  const db = entriesOf(variables.get('db'))
  const dbx = entriesOf(variables.get('dbx'))
  const keys = [entriesOf(variables.get('PK')), entriesOf(variables.get('KEK'))]
  return {
    secureBoot: enabled,
    ...(db === undefined ? {} : { dbValidated: dbHolds(db, authorities, enabled) }),
    ...(dbx === undefined ? {} : { dbxValidated: dbx.length > 0 && !isRevoked(authorities, dbx) }),
    ...(keys.includes(undefined) ? {} : { defaultKeysValidated: await areDefault(keys as SignatureEntry[][]) }),
    debuggersDisabled,
  }
}

function entriesOf(data: Uint8Array | undefined): SignatureEntry[] | undefined {
  return data === undefined ? undefined : orUndefined(() => parseSignatureLists(data))
}

function dbHolds(db: SignatureEntry[], authorities: Authorities, needed: boolean): boolean {
  if (db.length === 0 || (needed && authorities.length === 0)) return false
  return authorities.every(({ data }) => db.some((entry) => equal(entry.raw, data)))
}

function isRevoked(authorities: Authorities, dbx: SignatureEntry[]): boolean {
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
