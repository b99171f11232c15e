import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { parseGuid } from '../core/bytes/guid.ts'
import { toHex } from '../core/bytes/hex.ts'
import { bootPhases, systemdPhases } from './boot-phases.ts'
import { efiVendor } from './efi-vendor.ts'
import { appraiseBoot, bootClaims, type BootClaims } from './boot-claims.ts'
import { parseEventLog } from './event-log.ts'
import { eventTypes } from './event-types.ts'
import { replay, verifyEventLog } from './replay.ts'

interface Record {
  pcr: number
  type: number
  data: Uint8Array
  /** What was measured, if it is not the data. */
  measured?: Uint8Array
}

/** A crypto-agile log of SHA-256, as firmware writes it. */
async function logOf(records: readonly Record[]): Promise<Uint8Array> {
  const header = new ByteWriter().bytes(utf8('Spec ID Event03\0')).u32le(0).u8(0).u8(2).u8(0).u8(2)
  header.u32le(1).u16le(0x000b).u16le(32).u8(0)
  const spec = header.finish()
  const writer = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(spec.length).bytes(spec)
  for (const { pcr, type, data, measured } of records) {
    writer.u32le(pcr).u32le(type).u32le(1).u16le(0x000b)
    writer
      .bytes(await digest('SHA-256', measured ?? data))
      .u32le(data.length)
      .bytes(data)
  }
  return writer.finish()
}

/** The log with registers that it replays to: what a quote of this boot would show. */
async function claimsOf(records: readonly Record[], shown: readonly Record[] = records): Promise<BootClaims> {
  const registers = await replay(parseEventLog(await logOf(records)), 'sha256')
  return bootClaims(await verifyEventLog({ log: parseEventLog(await logOf(shown)), bank: 'sha256', registers }))
}

function variable(name: string, vendor: string, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (const letter of name) writer.u16le(letter.charCodeAt(0))
  return writer.bytes(data).finish()
}

const config = eventTypes.EV_EFI_VARIABLE_DRIVER_CONFIG
const secureBoot = (state: number[]): Record => ({
  pcr: 7,
  type: config,
  data: variable('SecureBoot', efiVendor.global, Uint8Array.from(state)),
})
const separator = (pcr: number, byte = 0): Record => ({
  pcr,
  type: eventTypes.EV_SEPARATOR,
  data: new Uint8Array(4).fill(byte),
})
const db: Record = { pcr: 7, type: config, data: variable('db', efiVendor.imageSecurity, utf8('keys')) }
const authority: Record = {
  pcr: 7,
  type: eventTypes.EV_EFI_VARIABLE_AUTHORITY,
  data: variable('db', efiVendor.imageSecurity, utf8('one key')),
}
const calling: Record = {
  pcr: 4,
  type: eventTypes.EV_EFI_ACTION,
  data: utf8('Calling EFI Application from Boot Option'),
}
const image = (content: string): Record => ({
  pcr: 4,
  type: eventTypes.EV_EFI_BOOT_SERVICES_APPLICATION,
  data: utf8('UEFI_IMAGE_LOAD_EVENT'),
  measured: utf8(`MZ${content}`),
})
const section = (name: string, content: string): Record[] => [
  { pcr: 11, type: eventTypes.EV_IPL, data: utf8(name), measured: utf8(`${name}\0`) },
  { pcr: 11, type: eventTypes.EV_IPL, data: utf8(name), measured: utf8(content) },
]
const boot = [secureBoot([1]), db, separator(7), authority, calling, separator(4), image('kernel')]

describe('the claims of an event log', () => {
  it('are Secure Boot’s state and variables, the images started and the sections of the kernel', async () => {
    const claims = await claimsOf([...boot, ...section('.linux', 'vmlinuz'), ...section('.cmdline', 'quiet')])
    expect(claims.secureBoot?.enabled).toBe(true)
    expect(claims.secureBoot?.variables.get('db')).toEqual(utf8('keys'))
    expect(claims.secureBoot?.authorities).toEqual([
      { name: 'db', vendor: efiVendor.imageSecurity, data: utf8('one key') },
    ])
    expect(claims.applications?.map(toHex)).toEqual([toHex(await digest('SHA-256', utf8('MZkernel')))])
    expect([...claims.unifiedKernel!.keys()]).toEqual(['.linux', '.cmdline'])
    expect(toHex(claims.unifiedKernel!.get('.cmdline')!)).toBe(toHex(await digest('SHA-256', utf8('quiet'))))
  })

  it('say off where the variable says so or is empty', async () => {
    for (const state of [[0], []]) {
      const claims = await claimsOf([secureBoot(state), separator(7)])
      expect(claims.secureBoot?.enabled).toBe(false)
    }
  })

  it('are absent where the log does not bear them, and absent is never true', async () => {
    expect(await claimsOf([])).toEqual({})
    // No firmware separator, a failed one, a second state, a state measured afterwards.
    for (const records of [
      [secureBoot([1])],
      [secureBoot([1]), separator(7, 0xff)],
      [secureBoot([1]), secureBoot([0]), separator(7)],
      [separator(7), secureBoot([1])],
      [{ ...secureBoot([1]), measured: utf8('something else'), type: eventTypes.EV_EFI_VARIABLE_BOOT }, separator(7)],
    ]) {
      expect((await claimsOf(records)).secureBoot).toBeUndefined()
    }
  })

  it('do not change when types and texts that no digest covers are rewritten (attack V4)', async () => {
    const records = [...boot, ...section('.linux', 'vmlinuz')]
    const genuine = await claimsOf(records)
    for (const type of [eventTypes.EV_IPL, eventTypes.EV_EFI_VARIABLE_BOOT, eventTypes.EV_POST_CODE, 0x12345678]) {
      expect(
        await claimsOf(
          records,
          records.map((record) => ({ ...record, type })),
        ),
      ).toEqual(genuine)
    }
    const renamed = records.map((record) =>
      record.measured === undefined ? record : { ...record, data: utf8('.cmdline'), measured: record.measured },
    )
    expect(await claimsOf(records, renamed)).toEqual(genuine)
    // An image disguised as an action is still an image.
    const hidden = records.map((record) => (record.pcr === 4 ? { ...record, type: eventTypes.EV_POST_CODE } : record))
    expect((await claimsOf(records, hidden)).applications).toHaveLength(1)
  })

  it('hold where systemd has extended its phases after the log, and under no other text', async () => {
    const records = [...boot, ...section('.linux', 'vmlinuz')]
    const log = parseEventLog(await logOf(records))
    const registers = await replay(log, 'sha256')
    const extend = async (value: Uint8Array, text: string): Promise<Uint8Array> =>
      digest('SHA-256', value, await digest('SHA-256', utf8(text)))
    let value = registers.get(11)!
    for (const [index, phase] of bootPhases.entries()) {
      value = await extend(value, phase)
      const quoted = new Map(registers).set(11, value)
      const verified = await verifyEventLog({ log, bank: 'sha256', registers: quoted, later: systemdPhases })
      expect(verified.later.get(11)).toBe(index + 1)
      expect((await bootClaims(verified)).unifiedKernel?.has('.linux')).toBe(true)
      await expect(verifyEventLog({ log, bank: 'sha256', registers: quoted })).rejects.toMatchObject({
        code: 'EventLogMismatch',
      })
    }
    for (const other of [await extend(value, 'ready'), await extend(registers.get(11)!, 'ready')]) {
      const quoted = new Map(registers).set(11, other)
      await expect(
        verifyEventLog({ log, bank: 'sha256', registers: quoted, later: systemdPhases }),
      ).rejects.toMatchObject({ code: 'EventLogMismatch' })
    }
  })

  it('name no section twice, as images with profiles do', async () => {
    const claims = await claimsOf([...section('.cmdline', 'one'), ...section('.cmdline', 'two')])
    expect(claims.unifiedKernel).toBeUndefined()
  })

  it('are compared with a policy: another state, image or section fails, and so does an absent one', async () => {
    const claims = await claimsOf([...boot, image('second'), ...section('.linux', 'vmlinuz')])
    const [first, second] = claims.applications!
    const linux = claims.unifiedKernel!.get('.linux')!
    const good = { secureBoot: true, applications: [first!, second!], unifiedKernel: { '.linux': linux } }
    expect(appraiseBoot(claims, good)).toEqual([])
    const wrong = { secureBoot: false, applications: [first!], unifiedKernel: { '.linux': first!, '.initrd': first! } }
    expect(appraiseBoot(claims, wrong).map(({ path, code }) => `${path} ${code}`)).toEqual([
      'secureBoot NotEqual',
      'applications.1 NotAllowed',
      'unifiedKernel..linux NotEqual',
      'unifiedKernel..initrd Missing',
    ])
    expect(appraiseBoot({}, good).map(({ code }) => code)).toEqual(['Missing', 'Missing', 'Missing'])
  })
})
