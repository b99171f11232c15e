import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { systemdPhases } from '../eventlog/boot-phases.ts'
import { efiVendor } from '../eventlog/efi-vendor.ts'
import { measuredLog } from '../testing/software-tpm.ts'
import { parseGuid } from '../core/bytes/guid.ts'
import type { Check } from './check.ts'
import { checkEventLog } from './check-log.ts'

const variable = (name: string, data: Uint8Array): Uint8Array => {
  const writer = new ByteWriter()
    .bytes(parseGuid(efiVendor.global))
    .u64le(BigInt(name.length))
    .u64le(BigInt(data.length))
  for (const letter of name) writer.u16le(letter.charCodeAt(0))
  return writer.bytes(data).finish()
}
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const booted = (on: number): ReturnType<typeof measuredLog> =>
  measuredLog([
    [0, 3, utf8('no action')],
    [0, 8, utf8('firmware')],
    [7, 0x80000001, variable('SecureBoot', Uint8Array.of(on))],
    [7, 4, new Uint8Array(4)],
    [4, 0x80000003, utf8('MZ image')],
    [11, 13, utf8('.linux\0')],
    [11, 13, utf8('kernel')],
  ])
/** A log of several banks with one image start. */
const oneRecord = (data: Uint8Array, banks: readonly (readonly [id: number, digest: Uint8Array])[]): Uint8Array => {
  const spec = new ByteWriter().bytes(utf8('Spec ID Event03\0')).u32le(0).u8(0).u8(2).u8(0).u8(2).u32le(banks.length)
  for (const [id, digest] of banks) spec.u16le(id).u16le(digest.length)
  const header = spec.u8(0).finish()
  const writer = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header)
  writer.u32le(4).u32le(0x80000003).u32le(banks.length)
  for (const [id, digest] of banks) writer.u16le(id).bytes(digest)
  return writer.u32le(data.length).bytes(data).finish()
}
const { log, pcrs } = booted(1)
pcrs.delete(0)
const shown = ({ children }: Check): unknown[] =>
  children.map(({ id, outcome, code, optional }) => [id, optional === true ? 'not asked' : (code ?? outcome)])
const actual = (tree: Check, id: string): string | undefined => tree.children.find((each) => each.id === id)?.actual
type Given = Parameters<typeof checkEventLog>[0]
const check = async (o: Partial<Given> = {}): ReturnType<typeof checkEventLog> =>
  await checkEventLog({ log, registers: pcrs, ...o })

describe('an event log', () => {
  it('says what registers it replays to, and what that boot was', async () => {
    const { check: tree, value } = await check()
    expect([tree.id, tree.outcome, value?.claims.secureBoot?.enabled]).toEqual(['log', 'passed', true])
    expect(tree.children.map(({ id, actual: found }) => [id, found])).toEqual([
      ['log.format', '7 records, crypto-agile'],
      ['log.data', '7 records with data that their digest covers'],
      ['log.replay', 'registers 7 4 11'],
      ['log.claims', 'Secure Boot on, 1 images started, unified kernel with .linux'],
    ])
    const off = booted(0)
    off.pcrs.delete(0)
    expect(actual((await checkEventLog({ log: off.log, registers: off.pcrs })).check, 'log.claims')).toMatch(
      /^Secure Boot off,/,
    )
    const bare = measuredLog([[0, 8, utf8('x')]])
    const little = await checkEventLog({
      log: bare.log,
      registers: new Map([...bare.pcrs, [4, new Uint8Array(32)], [9, new Uint8Array(32)]]),
    })
    expect([actual(little.check, 'log.replay'), actual(little.check, 'log.claims')]).toEqual([
      'registers 0; not in the log: 4 9',
      'Secure Boot unknown',
    ])
  })

  it('counts the records with data that every bank’s digest covers, but for SM3, which nothing here computes', async () => {
    const data = utf8('image')
    const bank = (id: number, digest: Uint8Array): [number, Uint8Array] => [id, digest]
    const [sha256Bank, other] = [bank(0x0b, sha256(data)), bank(0x0b, new Uint8Array(32))]
    const [sha384Bank, sm3] = [bank(0x0c, new Uint8Array(48)), bank(0x12, new Uint8Array(32))]
    for (const [banks, covered] of [
      [[sha256Bank], 1],
      [[other], 0],
      [[sha256Bank, sha384Bank], 0],
      [[sha256Bank, sm3], 1],
      [[sm3], 0],
    ] as const) {
      const { check: tree } = await checkEventLog({ log: oneRecord(data, banks) })
      expect([banks.length, actual(tree, 'log.data')?.split(' ')[0]]).toEqual([banks.length, `${covered}`])
    }
  })

  it('may be followed by the phases that systemd measures, and is told how far', async () => {
    const [register, texts] = [...systemdPhases][0]!
    const value = texts
      .slice(0, 2)
      .reduce((before, text) => sha256(concat(before, sha256(utf8(text)))), pcrs.get(register)!)
    const { check: tree } = await check({ registers: new Map([...pcrs, [register, value]]) })
    expect([tree.outcome, actual(tree, 'log.replay')]).toEqual([
      'passed',
      `registers 7 4 11; ${register} through ${texts[1]}`,
    ])
  })

  it('proves nothing alone, which is not a fault where nothing is asked of it', async () => {
    const alone = { registers: undefined }
    for (const [o, replay] of [
      [alone, 'not asked'],
      [{ ...alone, mustReplay: false }, 'not asked'],
      [{ ...alone, mustReplay: true }, 'skipped'],
      [{ ...alone, policy: {} }, 'skipped'],
    ] as const) {
      const { check: tree, value } = await check(o)
      const rest = 'policy' in o ? [['log.policy', 'skipped']] : []
      expect([shown(tree), value]).toEqual([
        [['log.format', 'passed'], ['log.data', 'passed'], ['log.replay', replay], ...rest],
        undefined,
      ])
    }
  })

  it('fails where it cannot be read, shows other data, or replays to other registers', async () => {
    const cut = await check({ log: log.subarray(1) })
    expect([cut.check.outcome, cut.value, shown(cut.check).length]).toEqual(['failed', undefined, 3])
    const changed = Uint8Array.from(log)
    changed[Buffer.from(log).indexOf('S\0e\0c\0u\0r\0e\0B', 0, 'latin1')]! ^= 1
    expect(shown((await check({ log: changed })).check)).toContainEqual(['log.data', 'EventLogMismatch'])
    const other = await check({ registers: new Map([[7, new Uint8Array(32)]]) })
    expect([shown(other.check), other.value]).toEqual([
      [
        ['log.format', 'passed'],
        ['log.data', 'passed'],
        ['log.replay', 'EventLogMismatch'],
      ],
      undefined,
    ])
    expect(shown((await check({ bank: 'sha384' })).check)).toContainEqual(['log.replay', 'EventLogMismatch'])
    // No policy holds for a log that is bound to nothing.
    const held = await check({ registers: new Map([[7, new Uint8Array(32)]]), policy: { secureBoot: true } })
    expect(shown(held.check).at(-1)).toEqual(['log.policy', 'skipped'])
  })

  it('is held to what a boot must have been', async () => {
    expect(shown((await check({ policy: { secureBoot: true } })).check).at(-1)).toEqual(['log.policy', 'passed'])
    expect(shown((await check({ policy: { secureBoot: false } })).check).at(-1)).toEqual(['log.policy', 'failed'])
  })

  it('of a TD replays to its measurement registers', async () => {
    const td = measuredLog(
      [
        [1, 0x80000001, variable('SecureBoot', Uint8Array.of(1))],
        [1, 4, new Uint8Array(4)],
        [2, 0x80000003, utf8('MZ image')],
      ],
      'sha384',
    )
    const none = new Uint8Array(48)
    const rtmrs = [td.pcrs.get(1)!, td.pcrs.get(2)!, none, none]
    const { check: tree, value } = await checkEventLog({ log: td.log, rtmrs, mustReplay: true })
    expect([tree.outcome, value?.bank, actual(tree, 'log.replay'), actual(tree, 'log.claims')]).toEqual([
      'passed',
      'sha384',
      'RTMR 0 1; not in the log: 2 3',
      'Secure Boot on, 1 images started',
    ])
    const other = await checkEventLog({ log: td.log, rtmrs: [rtmrs[1]!, rtmrs[0]!, none, none] })
    expect(shown(other.check)).toContainEqual(['log.replay', 'EventLogMismatch'])
  })
})
