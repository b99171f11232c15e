import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { ByteWriter, parseGuid } from '@strongroom/evidence'
import { efiVendor, parseSignatureLists, parseVariableStore, variableData } from '@strongroom/evidence/expected'

/** A record to write: what is measured, and what the log shows of it. */
export interface LogRecord {
  pcr: number
  type: number
  data: Uint8Array
  /** Measured instead of the data. */
  measured?: Uint8Array
}

const types = { noAction: 3, separator: 4, crtm: 8, driverConfig: 0x80000001, authority: 0x800000e0 } as const
const template = '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

/** UEFI_VARIABLE_DATA. */
export function variable(name: string, vendor: string, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (let index = 0; index < name.length; index++) writer.u16le(name.charCodeAt(index))
  return writer.bytes(data).finish()
}

/** The records of a boot with the Secure Boot keys of Debian's template. */
export function bootRecords(o: { secureBoot?: boolean; debugger?: boolean } = {}): LogRecord[] {
  const store = parseVariableStore(Uint8Array.from(readFileSync(template)))
  const config = (name: string, vendor: string, data: Uint8Array): LogRecord => ({
    pcr: 7,
    type: types.driverConfig,
    data: variable(name, vendor, data),
  })
  const kept = (name: string, vendor: string): LogRecord => config(name, vendor, variableData(store, name, vendor))
  const [, authority] = parseSignatureLists(variableData(store, 'db', efiVendor.imageSecurity))
  return [
    { pcr: 0, type: types.crtm, data: new TextEncoder().encode('strongroom test firmware\0') },
    config('SecureBoot', efiVendor.global, Uint8Array.of(o.secureBoot === false ? 0 : 1)),
    kept('PK', efiVendor.global),
    kept('KEK', efiVendor.global),
    kept('db', efiVendor.imageSecurity),
    kept('dbx', efiVendor.imageSecurity),
    ...(o.debugger === true ? [{ pcr: 7, type: 5, data: new TextEncoder().encode('UEFI Debug Mode') }] : []),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => ({ pcr, type: types.separator, data: new Uint8Array(4) })),
    { pcr: 7, type: types.authority, data: variable('db', efiVendor.imageSecurity, authority!.raw) },
  ]
}

/** The digest that the TPM is extended with for a record. */
export function digestOf(record: LogRecord): Uint8Array {
  return sha256(record.measured ?? record.data)
}

/** A crypto-agile log with a SHA-256 bank (PC Client Platform Firmware Profile, section 10). */
export function eventLog(records: readonly LogRecord[]): Uint8Array {
  const header = new ByteWriter()
    .bytes(new TextEncoder().encode('Spec ID Event03\0'))
    .u32le(0)
    .bytes(Uint8Array.of(0, 2, 0, 2))
    .u32le(1)
    .u16le(0x000b)
    .u16le(32)
    .bytes(Uint8Array.of(0))
    .finish()
  const log = new ByteWriter().u32le(0).u32le(types.noAction).zero(20).u32le(header.length).bytes(header)
  for (const record of records) {
    log.u32le(record.pcr).u32le(record.type).u32le(1).u16le(0x000b).bytes(digestOf(record))
    log.u32le(record.data.length).bytes(record.data)
  }
  return log.finish()
}
