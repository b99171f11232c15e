import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import { parseEventLog } from './event-log.ts'
import { eventTypeName, eventTypes, readTypes } from './event-types.ts'
import { replay, replayRtmrs, separators, verifyEventLog } from './replay.ts'

interface Record {
  pcr: number
  type: number
  data: Uint8Array
  digest?: Uint8Array
}

function header(algorithm = 0x000b, size = 32): Uint8Array {
  const data = new ByteWriter()
    .bytes(utf8('Spec ID Event03\0'))
    .u32le(0)
    .u8(0)
    .u8(2)
    .u8(0)
    .u8(2)
    .u32le(1)
    .u16le(algorithm)
    .u16le(size)
    .u8(0)
    .finish()
  return new ByteWriter().u32le(0).u32le(eventTypes.EV_NO_ACTION).zero(20).u32le(data.length).bytes(data).finish()
}

async function record(o: Record, hash: 'SHA-256' | 'SHA-384' = 'SHA-256'): Promise<Uint8Array> {
  return new ByteWriter()
    .u32le(o.pcr)
    .u32le(o.type)
    .u32le(1)
    .u16le(hash === 'SHA-256' ? 0x000b : 0x000c)
    .bytes(o.digest ?? (await digest(hash, o.data)))
    .u32le(o.data.length)
    .bytes(o.data)
    .finish()
}

async function log(...records: Record[]): Promise<Uint8Array> {
  const writer = new ByteWriter().bytes(header())
  for (const one of records) writer.bytes(await record(one))
  return writer.finish()
}

const separator: Record = { pcr: 7, type: eventTypes.EV_SEPARATOR, data: new Uint8Array(4) }
const action: Record = { pcr: 7, type: eventTypes.EV_EFI_ACTION, data: utf8('Exit Boot Services Invocation') }

describe('an event log', () => {
  it('replays as a TPM extends: each value is the digest of the value before and the record’s digest', async () => {
    const bytes = await log(separator, action)
    const first = await digest('SHA-256', new Uint8Array(32), await digest('SHA-256', separator.data))
    const second = await digest('SHA-256', first, await digest('SHA-256', action.data))
    const registers = await replay(parseEventLog(bytes), 'sha256')
    expect([...registers.keys()]).toEqual([7])
    expect(toHex(registers.get(7) ?? new Uint8Array())).toBe(toHex(second))
  })

  it('starts PCR 0 at the locality of the TPM’s start', async () => {
    const locality: Record = {
      pcr: 0,
      type: eventTypes.EV_NO_ACTION,
      data: utf8('StartupLocality\0\u0003'),
      digest: new Uint8Array(32),
    }
    const start = new Uint8Array(32)
    start[31] = 3
    const expected = await digest('SHA-256', start, await digest('SHA-256', action.data))
    const registers = await replay(parseEventLog(await log(locality, { ...action, pcr: 0 })), 'sha256')
    expect(toHex(registers.get(0) ?? new Uint8Array())).toBe(toHex(expected))
    const impossible = { ...locality, data: utf8('StartupLocality\0\u0007') }
    await expect(replay(parseEventLog(await log(impossible)), 'sha256')).rejects.toMatchObject({ code: 'InvalidValue' })
    await expect(replay(parseEventLog(await log(locality, locality)), 'sha256')).rejects.toMatchObject({
      code: 'Duplicate',
    })
  })

  it('starts PCR 0 at 4 where an H-CRTM was measured, which is its first record (attack E33)', async () => {
    const hcrtm: Record = { pcr: 0, type: eventTypes.EV_EFI_HCRTM_EVENT, data: utf8('HCRTM') }
    const crtm = { ...action, pcr: 0 }
    const locality = (value: number): Record => ({
      pcr: 0,
      type: eventTypes.EV_NO_ACTION,
      data: utf8(`StartupLocality\0${String.fromCodePoint(value)}`),
      digest: new Uint8Array(32),
    })
    const start = new Uint8Array(32)
    start[31] = 4
    const first = await digest('SHA-256', start, await digest('SHA-256', hcrtm.data))
    const expected = await digest('SHA-256', first, await digest('SHA-256', crtm.data))
    const found = async (...records: Record[]): Promise<unknown> =>
      replay(parseEventLog(await log(...records)), 'sha256')
        .then((registers) => toHex(registers.get(0) ?? new Uint8Array()))
        .catch((error: unknown) => (error as ParseError).code)
    expect(await found(hcrtm, crtm)).toBe(toHex(expected))
    expect(await found(locality(4), hcrtm, crtm)).toBe(toHex(expected))
    expect(await found(locality(3), hcrtm, crtm)).toBe('InvalidValue')
    expect(await found(crtm, hcrtm)).toBe('InvalidValue')
    expect(await found({ ...hcrtm, pcr: 7 }, crtm)).toBe('InvalidValue')
    expect(await found(hcrtm, hcrtm)).toBe('Duplicate')
  })

  it('no longer equals the quoted registers when a record is dropped, doubled or swapped', async () => {
    const registers = await replay(parseEventLog(await log(separator, action)), 'sha256')
    const check = async (...records: Record[]): Promise<unknown> =>
      verifyEventLog({ log: parseEventLog(await log(...records)), bank: 'sha256', registers })
    await expect(check(separator, action)).resolves.toBeDefined()
    await expect(check(separator)).rejects.toMatchObject({ code: 'EventLogMismatch' })
    await expect(check(separator, action, action)).rejects.toMatchObject({ code: 'EventLogMismatch' })
    await expect(check(action, separator)).rejects.toMatchObject({ code: 'EventLogMismatch' })
    await expect(check()).resolves.toMatchObject({ unlogged: [7], events: [], registers: new Map() })
  })

  it('says nothing of a register that it does not name', async () => {
    const registers = new Map([[4, new Uint8Array(32)]])
    const verified = await verifyEventLog({ log: parseEventLog(await log(separator)), bank: 'sha256', registers })
    expect(verified.registers.size).toBe(0)
    expect(verified.unlogged).toEqual([4])
    expect(verified.events).toEqual([])
  })

  it('cannot pass off other data under a type that promises its digest, and says so of the rest', async () => {
    const lie: Record = { ...action, data: utf8('SecureBoot on'), digest: await digest('SHA-256', action.data) }
    const registers = await replay(parseEventLog(await log(lie)), 'sha256')
    await expect(
      verifyEventLog({ log: parseEventLog(await log(lie)), bank: 'sha256', registers }),
    ).rejects.toMatchObject({ code: 'EventLogMismatch' })
    const retyped = { ...lie, type: eventTypes.EV_IPL }
    const verified = await verifyEventLog({ log: parseEventLog(await log(retyped)), bank: 'sha256', registers })
    expect(verified.events.map((event) => event.coverage)).toEqual(['notCovered'])
  })

  it('finds separators by what was measured, whatever type the record claims', async () => {
    const disguised = { ...separator, type: eventTypes.EV_IPL }
    const forged = { ...separator, type: eventTypes.EV_IPL, digest: await digest('SHA-256', utf8('another thing')) }
    const bytes = await log(disguised, forged)
    const verified = await verifyEventLog({
      log: parseEventLog(bytes),
      bank: 'sha256',
      registers: await replay(parseEventLog(bytes), 'sha256'),
    })
    expect(separators(verified, 7).map((event) => event.index)).toEqual([0])
  })

  it('gives RTMRs for the registers 1 to 4 of a TD and refuses any other', async () => {
    const data = utf8('kernel')
    const withPcr = async (pcr: number): Promise<Uint8Array> =>
      new ByteWriter()
        .bytes(header(0x000c, 48))
        .bytes(await record({ pcr, type: eventTypes.EV_IPL, data }, 'SHA-384'))
        .finish()
    const expected = await digest('SHA-384', new Uint8Array(48), await digest('SHA-384', data))
    const rtmrs = await replayRtmrs(parseEventLog(await withPcr(3)))
    expect([...rtmrs].map(([register, value]) => [register, toHex(value)])).toEqual([[2, toHex(expected)]])
    await expect(replayRtmrs(parseEventLog(await withPcr(5)))).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })

  it('is read up to padding of zeros or ones, and not past anything else', async () => {
    const bytes = await log(separator)
    const padded = (byte: number): Uint8Array =>
      new ByteWriter().bytes(bytes).bytes(new Uint8Array(100).fill(byte)).finish()
    for (const byte of [0, 0xff]) {
      const parsed = parseEventLog(padded(byte))
      expect(parsed.events).toHaveLength(1)
      expect(parsed.consumed).toBe(bytes.length)
    }
    expect(() => parseEventLog(padded(0x41))).toThrow(ParseError)
  })

  it('with a bank in the header that a record lacks is refused', async () => {
    const bytes = new ByteWriter().bytes(header()).u32le(7).u32le(4).u32le(0).u32le(0).finish()
    expect(() => parseEventLog(bytes)).toThrow(/no digest/)
    await expect(replay(parseEventLog(await log(separator)), 'sha384')).rejects.toMatchObject({
      code: 'EventLogMismatch',
    })
  })

  it('either parses or is refused as a parse error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          parseEventLog(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })

  it('either parses or is refused as a parse error with any byte of it changed', async () => {
    const bytes = await log(separator, action)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ difference
        try {
          parseEventLog(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })

  it('shows types by the specification’s names', () => {
    expect(eventTypeName(0x80000001)).toBe('EV_EFI_VARIABLE_DRIVER_CONFIG')
    expect(eventTypeName(0x12345)).toBe('0x00012345')
  })
})

it('reads records by the types of the specification', () => {
  expect(eventTypes).toMatchObject(readTypes)
  for (const [name, type] of Object.entries(readTypes)) expect(eventTypeName(type)).toBe(name)
  expect(eventTypeName(0x7777)).toBe('0x00007777')
})
