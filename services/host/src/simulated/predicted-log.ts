import { createHash } from 'node:crypto'
import { ByteWriter, parseGuid, utf8 } from '@strongroom/evidence'
import {
  authenticodeDigest,
  bootPhases,
  efiVendor,
  firmwareRegister,
  findAuthority,
  parsePe,
  secureBootEnabled,
  sectionDigests,
  variableData,
  type EfiVariable,
  type FirmwareEvent,
  type PeImage,
} from '@strongroom/evidence/expected'

/** TCG PC Client Platform Firmware Profile, section 10.4.1. */
export const types = {
  noAction: 3,
  separator: 4,
  crtmVersion: 8,
  ipl: 0x0d,
  driverConfig: 0x80000001,
  application: 0x80000003,
  action: 0x80000007,
  authority: 0x800000e0,
} as const
const sha256Id = 0x000b

export interface PredictedRecord {
  pcr: number
  type: number
  data: Uint8Array
  digest: Uint8Array
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

/** UEFI_VARIABLE_DATA (section 10.4.2). */
export function variable(name: string, vendor: string, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (let index = 0; index < name.length; index++) writer.u16le(name.charCodeAt(index))
  return writer.bytes(data).finish()
}

/**
 * What firmware and boot stub would measure for this boot file and these variables, in order: the measurements from
 * which PCR 0, 4, 7 and 11 are predicted, and separators.
 * @param o.firmware its events, of which the separator is the last
 */
export async function predictedRecords(o: {
  firmware: readonly FirmwareEvent[]
  variables: EfiVariable[]
  boot: PeImage
}): Promise<PredictedRecord[]> {
  const { variables, boot } = o
  const secureBoot = secureBootEnabled(variables)
  const plain = (pcr: number, type: number, data: Uint8Array): PredictedRecord => ({
    pcr,
    type,
    data,
    digest: sha256(data),
  })
  const config = (name: string, vendor: string, data = variableData(variables, name, vendor)): PredictedRecord =>
    plain(7, types.driverConfig, variable(name, vendor, data))
  const optional = (name: string): PredictedRecord[] =>
    variableData(variables, name, efiVendor.imageSecurity).length > 0 ? [config(name, efiVendor.imageSecurity)] : []
  const image = async (pe: PeImage): Promise<PredictedRecord> => ({
    pcr: 4,
    type: types.application,
    data: utf8('\\EFI\\BOOT\\BOOTX64.EFI'),
    digest: await authenticodeDigest(pe),
  })
  const authority = findAuthority(variables, boot)
  const kernel = boot.sections.find((section) => section.name === '.linux')
  const sections = await sectionDigests(boot)
  return [
    ...o.firmware.slice(0, -1).map((event) => ({ pcr: firmwareRegister, ...event })),
    config('SecureBoot', efiVendor.global, Uint8Array.of(secureBoot ? 1 : 0)),
    config('PK', efiVendor.global),
    config('KEK', efiVendor.global),
    config('db', efiVendor.imageSecurity),
    config('dbx', efiVendor.imageSecurity),
    ...optional('dbt'),
    ...optional('dbr'),
    plain(4, types.action, utf8('Calling EFI Application from Boot Option')),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => plain(pcr, types.separator, new Uint8Array(4))),
    ...(secureBoot && authority !== undefined
      ? [plain(7, types.authority, variable('db', efiVendor.imageSecurity, authority))]
      : []),
    await image(boot),
    ...(kernel !== undefined && !secureBoot ? [await image(parsePe(kernel.data))] : []),
    ...sections.map((digest): PredictedRecord => ({ pcr: 11, type: types.ipl, data: utf8('section'), digest })),
  ]
}

/** What systemd in a guest would extend after the end of the firmware's log. */
export const laterExtensions: { pcr: number; digest: Uint8Array }[] = bootPhases.map((phase) => ({
  pcr: 11,
  digest: sha256(utf8(phase)),
}))

/** A crypto-agile log of one bank, SHA-256 (section 10.2). */
export function writeEventLog(records: readonly PredictedRecord[]): Uint8Array {
  const header = new ByteWriter()
    .bytes(utf8('Spec ID Event03\0'))
    .u32le(0)
    .bytes(Uint8Array.of(0, 2, 0, 2))
    .u32le(1)
    .u16le(sha256Id)
    .u16le(32)
    .bytes(Uint8Array.of(0))
    .finish()
  const log = new ByteWriter().u32le(0).u32le(types.noAction).zero(20).u32le(header.length).bytes(header)
  for (const { pcr, type, data, digest } of records) {
    log.u32le(pcr).u32le(type).u32le(1).u16le(sha256Id).bytes(digest).u32le(data.length).bytes(data)
  }
  return log.finish()
}
