import { ByteWriter, digest, parseEventLog, replayRtmrs, utf8 } from '@strongroom/evidence'

/** One record of a CCEL log: register 1 to 4 is RTMR0 to RTMR3. */
export interface TdRecord {
  register: number
  data: string
}

const ipl = 0x0d
const sha384 = 0x000c

/** A log as a TD's firmware writes it (UEFI 2.10, 38.4; PC Client Platform Firmware Profile, section 10). */
export async function tdLog(records: readonly TdRecord[]): Promise<Uint8Array> {
  const header = new ByteWriter()
    .bytes(utf8('Spec ID Event03\0'))
    .u32le(0)
    .bytes(Uint8Array.of(0, 2, 0, 2))
    .u32le(1)
    .u16le(sha384)
    .u16le(48)
    .u8(0)
    .finish()
  const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header)
  for (const { register, data } of records) {
    const bytes = utf8(data)
    log
      .u32le(register)
      .u32le(ipl)
      .u32le(1)
      .u16le(sha384)
      .bytes(await digest('SHA-384', bytes))
    log.u32le(bytes.length).bytes(bytes)
  }
  return log.finish()
}

/** RTMR0 to RTMR3 of a TD that measured these records; 48 bytes each. */
export async function registersOf(records: readonly TdRecord[]): Promise<Uint8Array[]> {
  const replayed = await replayRtmrs(parseEventLog(await tdLog(records)))
  return [0, 1, 2, 3].map((register) => replayed.get(register) ?? new Uint8Array(48))
}
