import { boolean, enumerated, integer, octetString, oid, sequence } from '@strongroom/der'
import { parseCertificate, pckOids, readPckExtension, type PckExtension } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueIntelChain, openIntelHierarchy, type IntelHierarchy } from '../testing/intel-hierarchy.ts'

type Fields = Record<string, Uint8Array | undefined>

const of = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const list = (fields: Fields): Uint8Array =>
  sequence(
    ...Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [sequence(oid(name), value)])),
  )
const versions = (changes: Fields = {}): Uint8Array =>
  list({
    ...Object.fromEntries(
      Array.from({ length: 16 }, (_, index) => [`${pckOids.tcb}.${index + 1}`, integer(index + 100)]),
    ),
    [pckOids.pceSvn]: integer(65535),
    [pckOids.cpuSvn]: octetString(of(16, 7)),
    ...changes,
  })
const flags = (changes: Fields = {}): Uint8Array =>
  list({
    [`${pckOids.configuration}.1`]: boolean(true),
    [`${pckOids.configuration}.2`]: boolean(false),
    [`${pckOids.configuration}.3`]: boolean(true),
    ...changes,
  })
const sgx = (changes: Fields = {}): Uint8Array =>
  list({
    [pckOids.ppid]: octetString(of(16, 1)),
    [pckOids.tcb]: versions(),
    [pckOids.pceId]: octetString(of(2, 2)),
    [pckOids.fmspc]: octetString(of(6, 3)),
    [pckOids.sgxType]: enumerated(1),
    [pckOids.platformInstanceId]: octetString(of(16, 4)),
    [pckOids.configuration]: flags(),
    ...changes,
  })

describe('what a PCK certificate says of its platform', () => {
  let keys: IntelHierarchy
  beforeAll(async () => (keys = await openIntelHierarchy()))
  const read = async (value: Uint8Array | undefined): Promise<PckExtension> =>
    readPckExtension(parseCertificate((await issueIntelChain(keys, { sgx: value })).pck))

  it('is read whole', async () => {
    const whole = {
      ppid: of(16, 1),
      componentSvns: Array.from({ length: 16 }, (_, index) => index + 100),
      pceSvn: 65535,
      cpuSvn: of(16, 7),
      pceId: of(2, 2),
      fmspc: of(6, 3),
      sgxType: 1,
    }
    const instance = { platformInstanceId: of(16, 4) }
    expect(await read(sgx())).toEqual({
      ...whole,
      ...instance,
      dynamicPlatform: true,
      cachedKeys: false,
      smtEnabled: true,
    })
    // Of a single-socket platform.
    expect(await read(sgx({ [pckOids.platformInstanceId]: undefined, [pckOids.configuration]: undefined }))).toEqual(
      whole,
    )
    for (const [number, name] of [
      [1, 'dynamicPlatform'],
      [2, 'cachedKeys'],
      [3, 'smtEnabled'],
    ] as const) {
      const without = flags({ [`${pckOids.configuration}.${number}`]: undefined })
      expect(await read(sgx({ [pckOids.configuration]: without }))).not.toHaveProperty(name)
    }
  })

  it('shares no bytes with the certificate', async () => {
    const certificate = parseCertificate((await issueIntelChain(keys, { sgx: sgx() })).pck)
    readPckExtension(certificate).fmspc.fill(0)
    expect(readPckExtension(certificate).fmspc).toEqual(of(6, 3))
  })

  it('is missing where the certificate is another', async () => {
    await expect(read(undefined)).rejects.toMatchObject({
      code: 'CertificateNotForThisUse',
      subject: 'PCK',
      expected: '1.2.840.113741.1.13.1',
    })
  })

  it.each([
    ...[pckOids.ppid, pckOids.tcb, pckOids.pceId, pckOids.fmspc, pckOids.sgxType].map(
      (name) => [name, sgx({ [name]: undefined })] as const,
    ),
    ...[`${pckOids.tcb}.1`, `${pckOids.tcb}.16`, pckOids.pceSvn, pckOids.cpuSvn].map(
      (name) => [name, sgx({ [pckOids.tcb]: versions({ [name]: undefined }) })] as const,
    ),
  ])('is refused without %s', async (name, value) => {
    await expect(read(value)).rejects.toMatchObject({
      name: 'VerificationError',
      code: 'CertificateNotForThisUse',
      expected: name,
      found: 'absent',
    })
  })

  it.each([
    ['a PPID too short', sgx({ [pckOids.ppid]: octetString(of(15, 1)) }), 'WrongLength'],
    ['a PCE id too long', sgx({ [pckOids.pceId]: octetString(of(3, 1)) }), 'WrongLength'],
    ['an FMSPC too short', sgx({ [pckOids.fmspc]: octetString(of(5, 1)) }), 'WrongLength'],
    [
      'a CPUSVN too short',
      sgx({ [pckOids.tcb]: versions({ [pckOids.cpuSvn]: octetString(of(15, 1)) }) }),
      'WrongLength',
    ],
    ['an instance too long', sgx({ [pckOids.platformInstanceId]: octetString(of(17, 1)) }), 'WrongLength'],
    ['a number for its PPID', sgx({ [pckOids.ppid]: integer(1) }), 'UnknownType'],
    [
      'a component above a byte',
      sgx({ [pckOids.tcb]: versions({ [`${pckOids.tcb}.3`]: integer(256) }) }),
      'InvalidValue',
    ],
    [
      'a PCESVN above two bytes',
      sgx({ [pckOids.tcb]: versions({ [pckOids.pceSvn]: integer(65536) }) }),
      'InvalidValue',
    ],
    ['a number for its type', sgx({ [pckOids.sgxType]: integer(1) }), 'UnknownType'],
    ['a type of two bytes', sgx({ [pckOids.sgxType]: Uint8Array.of(0x0a, 2, 0, 1) }), 'WrongLength'],
    [
      'a number for a flag',
      sgx({ [pckOids.configuration]: flags({ [`${pckOids.configuration}.1`]: integer(1) }) }),
      'UnknownType',
    ],
    ['text for its versions', sgx({ [pckOids.tcb]: octetString(of(1, 1)) }), 'UnknownType'],
    ['bytes after it', Uint8Array.of(...sgx(), 5, 0), 'TrailingBytes'],
    ['a field of three', sequence(sequence(oid(pckOids.ppid), octetString(of(16, 1)), integer(1))), 'TrailingBytes'],
    [
      'a field twice',
      sequence(...[1, 2].map((value) => sequence(oid(pckOids.ppid), octetString(of(16, value))))),
      'Duplicate',
    ],
  ])('is refused with %s', async (_, value, code) => {
    await expect(read(value)).rejects.toMatchObject({ name: 'ParseError', code })
  })
})
