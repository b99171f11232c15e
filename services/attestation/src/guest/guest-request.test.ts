import { ServiceError } from '@strongroom/platform'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readGuestRequest } from './guest-request.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const whole = {
  AttestationProtocolVersion: '2.0',
  OSType: base64('Linux'),
  OSDistro: base64('Debian'),
  OSBuild: '',
  OSVersionMajor: 13,
  OSVersionMinor: 0,
  TcgLogs: base64('log'),
  ClientPayload: { nonce: base64('once') },
  TpmInfo: {
    AikCert: base64('certificate'),
    AikPub: base64('public'),
    PcrQuote: base64('quote'),
    PcrSignature: base64('signature'),
    EncKeyPub: base64('key'),
    EncKeyCertifyInfo: base64('info'),
    EncKeyCertifyInfoSignature: base64('signature'),
    PcrSet: [0, 7],
    PCRs: [
      { Index: 7, Digest: base64('seven') },
      { Index: 0, Digest: base64('zero') },
    ],
  },
  IsolationInfo: { Type: 'SevSnp', Evidence: { Proof: base64('{}'), RunTimeData: base64('{}') } },
}
const bodyOf = (info: unknown): unknown => ({ AttestationInfo: base64(JSON.stringify(info)) })

/** Accepts it, or refuses it with a caller error, never a server error. */
const readsOrRefuses = (body: unknown): void => {
  try {
    readGuestRequest(body)
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceError)
    expect(error).toMatchObject({ status: 400, code: 'InvalidParameter' })
  }
}

/** Every path in the request that leads to a value. */
function pathsIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, item]) => pathsIn(item, [...path, name]))]
}

function withValue(value: unknown, path: string[], other: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return other
  const entries = Object.entries(value as object).map(([each, item]) => [
    each,
    each === name ? withValue(item, rest, other) : item,
  ])
  return Array.isArray(value) ? entries.map(([, item]) => item as unknown) : Object.fromEntries(entries)
}

describe('a guest’s request', () => {
  it('is read, with its registers by number', () => {
    const { os, tpm, isolation, clientPayload } = readGuestRequest(bodyOf(whole))
    expect(os).toMatchObject({ type: 'Linux', distro: 'Debian', build: '', major: 13 })
    expect([...tpm.pcrs.keys()].toSorted((left, right) => left - right)).toEqual([0, 7])
    expect(isolation.type).toBe('SevSnp')
    expect(clientPayload).toEqual({ nonce: base64('once') })
  })

  it('is read as Azure’s tool in Python sends it: versions as text, the key’s names behind its TPM2B_PUBLIC', () => {
    const area = Buffer.from([0, 3, 1, 2, 3])
    const names = Buffer.from([0, 2, 8, 8, 0, 2, 9, 9])
    const sent = {
      ...whole,
      OSVersionMajor: '22',
      OSVersionMinor: '04',
      ClientPayload: '',
      TpmInfo: { ...whole.TpmInfo, AikPub: Buffer.concat([area, names]).toString('base64') },
    }
    const { os, tpm, clientPayload } = readGuestRequest(bodyOf(sent))
    expect([os.major, os.minor, clientPayload]).toEqual([22, 4, {}])
    expect(Buffer.from(tpm.akPublic)).toEqual(area)
  })

  it('may have a payload in objects, each value of which is base64', () => {
    const nested = { nonce: base64('once'), request: { id: base64('1'), of: { who: '' } } }
    expect(readGuestRequest(bodyOf({ ...whole, ClientPayload: nested })).clientPayload).toEqual(nested)
    for (const wrong of [{ a: { b: 7 } }, { a: [base64('1')] }, { a: { b: '!' } }])
      expect(() => readGuestRequest(bodyOf({ ...whole, ClientPayload: wrong }))).toThrow(ServiceError)
  })

  it.each(['', '-1', '1e3', '22.', ' 22', '0x16', '9999999999', 1.5, null])('with version %j is refused', (version) => {
    expect(() => readGuestRequest(bodyOf({ ...whole, OSVersionMajor: version }))).toThrow(
      expect.objectContaining({ code: 'InvalidParameter', target: 'OSVersionMajor' }),
    )
  })

  it('is read or refused, whatever stands in any place of it', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('', 'A', '__proto__', -1, 1e300, base64('\u0000'), [[]]))
    fc.assert(
      fc.property(fc.constantFrom(...pathsIn(whole)), odd, (path, value) =>
        readsOrRefuses(bodyOf(withValue(whole, path, value))),
      ),
      // An object whose conversion to a number throws.
      { numRuns: 2_000, examples: [[['TpmInfo', 'PcrSet', '0'], [{ toString: '' }]]] },
    )
  })

  it('is read or refused, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.uint8Array().map(String)), (text) =>
        readsOrRefuses({ attestationInfo: base64(text) }),
      ),
    )
    fc.assert(fc.property(fc.jsonValue(), (body) => readsOrRefuses(body)))
  })

  it('is refused where it is nested so deep that no answer could show it', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    for (const path of pathsIn(whole).filter(({ length }) => length > 0)) {
      const text = JSON.stringify(withValue(whole, path, '@')).replace('"@"', deep)
      expect(() => readGuestRequest({ AttestationInfo: base64(text) }), path.join('.')).toThrow(ServiceError)
    }
  })
})
