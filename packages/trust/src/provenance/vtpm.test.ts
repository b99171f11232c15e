import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import {
  ByteWriter,
  fromBase64Url,
  objectAttributes,
  parseRuntimeClaims,
  toBase64Url,
  toHex,
  utf8,
  type RuntimeClaims,
} from '@strongroom/evidence'
import { bootPhases, volumeSeparator } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { vouch, type Known } from './known.ts'
import {
  attestedKey,
  challenge,
  firstSeenVolume,
  isPredicted,
  measuredSince,
  measuredVolume,
  quoted,
  registerOf,
  replayedLog,
  sameRegister,
  type Registers,
} from './vtpm.ts'

const sha256 = (...parts: (string | Uint8Array)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const known = (registers: Iterable<[number, Uint8Array]>): Known<Registers> => vouch(new Map(registers), 'vTPM')

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = pair.publicKey.export({ format: 'jwk' }) as { n: string; e: string }
const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
/** TPM2B_PUBLIC of an attestation key. */
const akPublic = ((): Uint8Array => {
  const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign: signs } = objectAttributes
  const attributes = fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | restricted | signs
  const modulus = fromBase64Url(jwk.n)
  const area = new ByteWriter().u16be(0x0001).u16be(0x000b).u32be(attributes).u16be(0).u16be(0x0010)
  area.u16be(0x0014).u16be(0x000b).u16be(2048).u32be(0).u16be(modulus.length).bytes(modulus)
  const body = area.finish()
  return new ByteWriter().u16be(body.length).bytes(body).finish()
})()
const claimsOf = (key: object): Known<RuntimeClaims> =>
  vouch(
    parseRuntimeClaims(
      utf8(JSON.stringify({ keys: [{ ...key, kid: 'HCLAkPub', key_ops: ['sign'] }], 'vm-configuration': {} })),
    ),
    'silicon',
  )

describe('the key of a vTPM', () => {
  it('is that of the attested claims, on which it rests, and no other', () => {
    const ak = attestedKey(akPublic, claimsOf(jwk))
    expect([ak.value, [...ak.restsOn]]).toEqual([akPublic, ['silicon']])
    expect(() => attestedKey(akPublic, claimsOf(other))).toThrow(expect.objectContaining({ code: 'BindingMismatch' }))
  })
})

describe('quoted registers', () => {
  const nonce = utf8('nonce')
  function quote(o: { nonce?: Uint8Array; pcrs?: Record<string, string> } = {}): ReturnType<typeof quoted> {
    const writer = new ByteWriter().u32be(0xff544347).u16be(0x8018).u16be(34).bytes(new Uint8Array(34).fill(1))
    // The selection of PCRs 0 and 9.
    writer
      .u16be(nonce.length)
      .bytes(nonce)
      .zero(25)
      .u32be(1)
      .u16be(0x000b)
      .u8(3)
      .bytes(Uint8Array.of(1, 2, 0))
    const message = writer
      .u16be(32)
      .bytes(sha256(filled(1), filled(2)))
      .finish()
    const raw = sign('sha256', message, pair.privateKey)
    const signature = new ByteWriter().u16be(0x0014).u16be(0x000b).u16be(raw.length).bytes(raw).finish()
    const pcrs = o.pcrs ?? { 0: '01'.repeat(32), 9: '02'.repeat(32) }
    return quoted({ message, signature, nonce: o.nonce ?? nonce, pcrs, ak: vouch(akPublic, 'silicon') })
  }

  it('are those that the vTPM signed with the nonce', async () => {
    const { registers, attest } = await quote()
    expect([...registers.value].map(([index, value]) => [index, toHex(value)])).toEqual([
      [0, '01'.repeat(32)],
      [9, '02'.repeat(32)],
    ])
    for (const value of [registers, attest]) expect([...value.restsOn]).toEqual(['vTPM', 'silicon'])
    expect(attest.value.extraData).toEqual(nonce)
  })

  it('are no others, and not those of another nonce', async () => {
    await expect(quote({ nonce: utf8('other') })).rejects.toMatchObject({ code: 'NonceMismatch' })
    await expect(quote({ pcrs: { 0: '01'.repeat(32), 9: '03'.repeat(32) } })).rejects.toMatchObject({
      code: 'PcrDigestMismatch',
    })
    await expect(quote({ pcrs: { 0: '01'.repeat(32) } })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
  })
})

describe('the firmware’s log', () => {
  const separators = [0, 1, 2, 3, 4, 5, 6, 7]
  function logOf(pcrs: number[]): Uint8Array {
    const spec = new ByteWriter()
      .bytes(utf8('Spec ID Event03\0'))
      .u32le(0)
      .bytes(Uint8Array.of(0, 2, 0, 2))
    const header = spec.u32le(1).u16le(0x000b).u16le(32).u8(0).finish()
    const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header)
    for (const pcr of pcrs) {
      const data = pcr === 11 ? utf8('.linux\0') : new Uint8Array(4)
      log
        .u32le(pcr)
        .u32le(pcr === 11 ? 0xd : 4)
        .u32le(1)
        .u16le(0x000b)
        .bytes(sha256(data))
        .u32le(data.length)
        .bytes(data)
    }
    return log.finish()
  }
  const separated = sha256(new Uint8Array(32), sha256(new Uint8Array(4)))
  const image = sha256(new Uint8Array(32), sha256('.linux\0'))
  const ready = bootPhases.reduce((value, phase) => sha256(value, sha256(phase)), image)
  const registersOf = (eleventh = ready): [number, Uint8Array][] => [
    ...separators.map((pcr): [number, Uint8Array] => [pcr, separated]),
    [11, eleventh],
  ]

  it('counts where it replays to PCRs 0 to 7, and with the boot phases to PCR 11', async () => {
    const log = await replayedLog(logOf([...separators, 11]), known(registersOf()))
    expect([...log.restsOn]).toEqual(['vTPM'])
    expect(log.value.events).toHaveLength(9)
  })

  it.each([...separators, 11])('is refused without PCR %i in the quote', async (missing) => {
    const registers = known(registersOf().filter(([pcr]) => pcr !== missing))
    await expect(replayedLog(logOf([...separators, 11]), registers)).rejects.toMatchObject({
      name: 'LinkRefused',
      message: `PCR ${missing} is not in the quote.`,
      expected: 'PCRs 0 to 7 and 11 to 13',
    })
  })

  it.each(separators)('is refused where PCR %i is another than it yields', async (pcr) => {
    const registers = known([...registersOf(), [pcr, filled(1)]])
    await expect(replayedLog(logOf([...separators, 11]), registers)).rejects.toMatchObject({
      code: 'EventLogMismatch',
    })
  })

  it('is refused where it leaves registers out', async () => {
    await expect(replayedLog(logOf([0, 1, 2, 3, 4, 7, 11]), known(registersOf()))).rejects.toMatchObject({
      message: 'The event log does not cover PCR 5, 6.',
      expected: 'PCRs 0 to 7',
    })
    await expect(replayedLog(logOf(separators), known(registersOf()))).rejects.toMatchObject({
      message: 'The event log has no unified kernel image.',
      expected: 'records of PCR 11',
    })
  })

  it('is refused where PCR 11 lacks a boot phase, or has another', async () => {
    for (const eleventh of [image, sha256(ready, sha256('final'))])
      await expect(replayedLog(logOf([...separators, 11]), known(registersOf(eleventh)))).rejects.toMatchObject({
        message: 'PCR 11 is not what the event log and the boot phases yield.',
        expected: toHex(ready),
        actual: toHex(eleventh),
      })
  })
})

describe('registers', () => {
  it('are compared with predicted ones, and missed where they are not quoted', () => {
    const predicted = vouch({ 4: filled(4), 7: filled(7) }, 'computed')
    const registers = known([
      [4, filled(4)],
      [7, filled(0)],
      [11, filled(0)],
    ])
    expect([4, 7, 11].map((index) => isPredicted(predicted, registers, index).value)).toEqual([true, false, false])
    expect([...isPredicted(predicted, registers, 4).restsOn]).toEqual(['computed', 'vTPM'])
    expect(() => isPredicted(predicted, registers, 12)).toThrow('PCR 12 is not in the quote.')
    expect(registerOf(registers.value, 4)).toEqual(filled(4))
  })

  it('are the same in two quotes only where both have them', () => {
    const [a, b] = [
      known([
        [4, filled(4)],
        [7, filled(7)],
      ]),
      vouch(
        new Map([
          [4, filled(4)],
          [7, filled(8)],
        ]),
        'silicon',
      ),
    ]
    const same = (index: number): boolean => sameRegister(a, b, index).value
    expect([same(4), same(7), same(11)]).toEqual([true, false, false])
    expect(sameRegister(a, known([]), 4).value).toBe(false)
    expect(sameRegister(known([]), a, 4).value).toBe(false)
    expect([...sameRegister(a, b, 4).restsOn]).toEqual(['vTPM', 'silicon'])
  })

  it('say from whom a challenge and an unpinned volume are', () => {
    expect([...challenge(filled(1)).restsOn]).toEqual(['verifier'])
    const volume = firstSeenVolume(vouch('ab', 'vTPM'))
    expect([volume.value, [...volume.restsOn]]).toEqual(['ab', ['vTPM', 'first use']])
  })

  it('lead to no volume without PCR 15', async () => {
    const o = { log: new Uint8Array(), registers: known([]), digest: 'ab'.repeat(32) }
    await expect(measuredVolume(o)).rejects.toMatchObject({ message: 'PCR 15 is not in the quote.' })
  })
})

describe('what was measured into PCR 15 since a report', () => {
  const logOf = (texts: string[], pcr = 15): string =>
    texts
      .map((text) => {
        const digests = [{ hashAlg: 'sha256', digest: toHex(sha256(text)) }]
        return `\u001e${JSON.stringify({ pcr, digests, content: { string: text } })}\n`
      })
      .join('')
  const encoded = (log: string): string => toBase64Url(utf8(log))
  const value = (texts: string[]): Uint8Array =>
    texts.reduce<Uint8Array>((register, text) => sha256(register, sha256(text)), new Uint8Array(32))
  const before = ['volume', volumeSeparator]
  const later = 'machine-id: \u001b\u00e9one'
  const since = async (o: {
    reported?: string | undefined
    log?: string
    before?: Uint8Array | undefined
    now?: Uint8Array | undefined
  }): ReturnType<typeof measuredSince> =>
    await measuredSince({
      reported: 'reported' in o ? o.reported : encoded(logOf(before)),
      log: encoded(o.log ?? logOf([...before])),
      before: known('before' in o ? ((o.before && [[15, o.before]]) ?? []) : [[15, value(before)]]),
      now: vouch(new Map('now' in o ? o.now && [[15, o.now]] : [[15, value(before)]]), 'silicon'),
    })

  it('is nothing where the log is that of the report', async () => {
    const found = await since({})
    expect([found.value, [...found.restsOn]]).toEqual([[], ['vTPM', 'silicon']])
  })

  it('is shown as plain text, cut, with its digest; records of other registers are left out', async () => {
    const long = 'x'.repeat(100)
    const texts = [...before, `strongroom-ssh-host-key:1:none`, 'plain', long]
    const log = logOf([...before, 'strongroom-ssh-host-key:1:none']) + logOf([later], 11) + logOf(['plain', long])
    expect((await since({ log, now: value(texts) })).value).toEqual([
      `“strongroom-ssh-host-key:1:none” ${toHex(sha256('strongroom-ssh-host-key:1:none')).slice(0, 16)}…`,
      `“plain” ${toHex(sha256('plain')).slice(0, 16)}…`,
      `“${'x'.repeat(80)}” ${toHex(sha256(long)).slice(0, 16)}…`,
    ])
  })

  it('shows no control character and no letter beyond ASCII', async () => {
    const texts = [...before, 'strongroom-ssh-host-key:1:none', later]
    const { value: shown } = await since({ log: logOf(texts), now: value(texts) })
    expect(shown[1]).toMatch(/^“machine-id: one” /)
  })

  it('begins with nothing where the report has no log', async () => {
    const o = { reported: undefined, before: new Uint8Array(32), log: logOf([volumeSeparator]) }
    expect((await since({ ...o, now: value([volumeSeparator]) })).value).toHaveLength(1)
  })

  it('is refused where the register does not begin with the report’s', async () => {
    const another = logOf(['other', volumeSeparator])
    expect.assertions(2)
    await expect(since({ log: another, now: value(['other', volumeSeparator]) })).rejects.toMatchObject({
      code: 'RegisterMoved',
      expected: toHex(value(before)),
      actual: toHex(value(['other', volumeSeparator])),
    })
    await expect(since({ before: undefined })).rejects.toMatchObject({
      code: 'RegisterMoved',
      expected: 'no such register',
      actual: toHex(value(before)),
    })
  })

  it('is refused where the log does not lead to the later register, or there is none', async () => {
    for (const now of [filled(1), undefined])
      await expect(since({ now })).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })
})
