import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { parseGuid } from '../core/bytes/guid.ts'
import type { MeasuredEvent, VerifiedEventLog } from '../eventlog/replay.ts'
import { efiVendor } from '../eventlog/efi-vendor.ts'
import { readBootState, type BootState } from './boot-state.ts'

const x509 = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'
const owner = parseGuid('5a1e0000-0000-4000-8000-000000000db1')
const signature = (content: Uint8Array): Uint8Array => concat(owner, content)

function signatureList(...contents: Uint8Array[]): Uint8Array {
  return concat(
    ...contents.map((content) =>
      new ByteWriter()
        .bytes(parseGuid(x509))
        .u32le(28 + 16 + content.length)
        .u32le(0)
        .u32le(16 + content.length)
        .bytes(signature(content))
        .finish(),
    ),
  )
}

function variable(name: string, vendor: string, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (const letter of name) writer.u16le(letter.charCodeAt(0))
  return writer.bytes(data).finish()
}

const global = (name: string, data: Uint8Array): Uint8Array => variable(name, efiVendor.global, data)
const image = (name: string, data: Uint8Array): Uint8Array => variable(name, efiVendor.imageSecurity, data)
const separator = new Uint8Array(4)
const trusted = utf8('certificate of the boot loader’s signer')
const revoked = utf8('certificate that was revoked')

const boot: Uint8Array[] = [
  global('SecureBoot', Uint8Array.of(1)),
  global('PK', signatureList(utf8('platform key'))),
  global('KEK', signatureList(utf8('exchange key'))),
  image('db', signatureList(utf8('another'), trusted)),
  image('dbx', signatureList(revoked)),
  separator,
  image('db', signature(trusted)),
]

/** A log that equals its quote, with these measured data in register 7. */
async function stateOf(measured: readonly Uint8Array[], registers: readonly number[] = [7]): Promise<BootState> {
  const events: MeasuredEvent[] = await Promise.all(
    measured.map(async (data, index) => ({
      index,
      pcr: 7,
      type: 0,
      digests: new Map([['sha256' as const, await digest('SHA-256', Uint8Array.from(data))]]),
      data,
      offset: 0,
      coverage: 'covered' as const,
    })),
  )
  const log: VerifiedEventLog = {
    log: { format: 'crypto-agile', algorithms: ['sha256'], events, consumed: 0 },
    bank: 'sha256',
    registers: new Map(registers.map((pcr) => [pcr, new Uint8Array(32)])),
    later: new Map(),
    unlogged: [],
    events,
  }
  return readBootState(log)
}

describe('Secure Boot’s state in a log', () => {
  it('is read from what firmware measured before its separator', async () => {
    expect(await stateOf(boot)).toEqual({
      secureBoot: true,
      dbValidated: true,
      dbxValidated: true,
      defaultKeysValidated: false,
      debuggersDisabled: true,
    })
    expect(await stateOf(boot.with(0, global('SecureBoot', Uint8Array.of(0))))).toMatchObject({ secureBoot: false })
  })

  it('is not said where register 7 was not quoted, or firmware did not finish or failed', async () => {
    expect(await stateOf(boot, [0])).toEqual({})
    expect(await stateOf(boot.slice(0, 5))).toEqual({})
    expect(await stateOf(boot.with(5, new Uint8Array(4).fill(0xff)))).toEqual({})
  })

  it('takes no word that came after the separator, when any program may extend the register', async () => {
    const late = [...boot.slice(1), global('SecureBoot', Uint8Array.of(1))]
    expect((await stateOf(late)).secureBoot).toBeUndefined()
    const twice = [global('SecureBoot', Uint8Array.of(0)), ...boot]
    expect((await stateOf(twice)).secureBoot).toBeUndefined()
  })

  it('knows a debugger by what was measured, not by what the record shows', async () => {
    expect(await stateOf([utf8('UEFI Debug Mode'), ...boot])).toMatchObject({ debuggersDisabled: false })
  })

  it('does not validate a db that lacks an authority, an authority on dbx, or lists that are none', async () => {
    expect((await stateOf(boot.with(6, image('db', signature(utf8('stranger')))))).dbValidated).toBe(false)
    expect((await stateOf(boot.slice(0, 6))).dbValidated).toBe(false)
    expect((await stateOf(boot.with(4, image('dbx', signatureList(revoked, trusted))))).dbxValidated).toBe(false)
    expect((await stateOf(boot.with(4, image('dbx', new Uint8Array())))).dbxValidated).toBe(false)
    expect((await stateOf(boot.with(3, image('db', utf8('no list'))))).dbValidated).toBeUndefined()
  })
})
