import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toBase64Url } from '../../core/bytes/base64.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { eventTypes } from '../../eventlog/event-types.ts'
import { parseEventLog } from '../../eventlog/event-log.ts'
import { EvidenceError, ParseError } from '../../core/errors.ts'
import type { Jwk } from '../../tokens/keys.ts'
import { bootRegisters } from './boot-registers.ts'
import {
  imageMeasurementsText,
  imageMeasurementsType,
  parseImageMeasurements,
  predictImageRegisters,
  predictRegisters,
  verifyImageMeasurements,
  type ImageMeasurements,
} from './image-measurements.ts'
import { measureBootFile } from './measured-boot-file.ts'
import { extendAll } from './pcr.ts'
import { predictPcr11, sectionDigests } from './pcr11.ts'
import { predictPcr4 } from './pcr4.ts'
import { measureVariables } from './pcr7.ts'
import { authenticodeDigest, parsePe } from './pe.ts'
import { findAuthority } from './pe-signers.ts'
import { parseVariableStore } from './variable-store.ts'

const read = (name: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`fixtures/${name}`, import.meta.url))))

/** Registers of the recorded boot, as its vTPM quoted them (predict.test.ts). */
const quoted = {
  4: '7791f58ca49f4519c146ec21bbbd3ef811cb8c92f27d327848f3f97a2d02a55b',
  7: 'e5d526bff373d65ef2cb2409cd737ef10fb7af38c0fe77304416fb3cdfdec6a8',
  11: 'ec3086ba62174af53b953dbd58d2c12fbdba427f850a0e583fe86be54c0820cd',
  12: '00'.repeat(32),
  13: '00'.repeat(32),
}

let measured: ImageMeasurements
beforeAll(async () => {
  const image = parsePe(read('boot.efi.gz'))
  const variables = parseVariableStore(read('uefi-variables.fd.gz'))
  const on = await measureVariables({ variables, authority: findAuthority(variables, image) })
  const off = await measureVariables({ variables: [], authority: undefined })
  measured = {
    image: { id: 'reference-1', name: 'reference', version: '13.0.20261127', source: 'reference' },
    measuredAt: new Date('2026-11-27T12:00:00.000Z'),
    bootFile: { ...(await measureBootFile({ image, kernel: false })), kernel: new Uint8Array(32).fill(9) },
    root: { sha256: new Uint8Array(32).fill(7), bytes: 1_234_567_168 },
    certificates: new Uint8Array(32).fill(8),
    variables: { on, off },
  }
})

const hex = async (o: Parameters<typeof predictImageRegisters>[0]): Promise<Record<string, string>> =>
  Object.fromEntries(Object.entries(await predictImageRegisters(o)).map(([index, value]) => [index, toHex(value)]))

describe('registers from what an image measures', () => {
  it('are those that a vTPM quoted after a real boot of that image', async () => {
    const { events } = parseEventLog(read('event-log.bin.gz'))
    const digests = (pcr: number, type?: number): Uint8Array[] =>
      events.flatMap((event) =>
        event.pcr === pcr && (type === undefined || event.type === type) ? [event.digests.get('sha256')!] : [],
      )
    // The recorded boot ran another kernel and initrd than the fixture has: its log says what they measured.
    const sections = measured.bootFile.sections.map(({ name }, index) => ({
      name,
      sha256: digests(11, eventTypes.EV_IPL)[2 * index + 1]!,
    }))
    const loader = digests(4).at(-1)!
    const logged = async (pcr: number): Promise<Uint8Array> => await extendAll(digests(pcr))
    const machine = await logged(1)
    const others = {
      1: toHex(machine),
      2: toHex(await logged(2)),
      3: toHex(await logged(3)),
      6: toHex(await logged(6)),
    }
    expect(await hex({ ...measured, bootFile: { loader, sections }, secureBoot: true, machine })).toEqual({
      ...quoted,
      ...others,
    })
  })

  it('are those that are predicted from the image itself', async () => {
    const image = parsePe(read('boot.efi.gz'))
    const { bootFile, variables } = measured
    const atUnlock = await predictRegisters({
      bootFile,
      variables: variables.on,
      secureBoot: true,
      through: 'enter-initrd',
    })
    expect(toHex(atUnlock[4])).toBe(toHex(await predictPcr4({ image, secureBoot: true })))
    expect(toHex(atUnlock[7])).toBe(quoted[7])
    expect(toHex(atUnlock[11])).toBe(toHex(await predictPcr11(image, 'enter-initrd')))
    expect(bootFile.loader).toEqual(await authenticodeDigest(image))
    expect(await sectionDigests(image)).toHaveLength(2 * bootFile.sections.length)
  })

  it('differ in every register that a change reaches, and in no other', async () => {
    const before = await hex({ ...measured, secureBoot: true })
    const other = new Uint8Array(32)
    const changed = async (change: Partial<ImageMeasurements>): Promise<string[]> => {
      const after = await hex({ ...measured, ...change, secureBoot: true })
      return bootRegisters.map(String).filter((index) => after[index] !== before[index])
    }
    const { bootFile, variables } = measured
    expect(await changed({ bootFile: { ...bootFile, loader: other } })).toEqual(['4'])
    expect(await changed({ bootFile: { ...bootFile, kernel: other } })).toEqual([])
    for (const [index, section] of bootFile.sections.entries()) {
      const sections = bootFile.sections.with(index, { ...section, sha256: other })
      expect(await changed({ bootFile: { ...bootFile, sections } }), section.name).toEqual(['11'])
    }
    for (const [index, variable] of variables.on.variables.entries()) {
      const list = variables.on.variables.with(index, { ...variable, sha256: other })
      expect(await changed({ variables: { ...variables, on: { ...variables.on, variables: list } } })).toEqual(['7'])
    }
    const off = await hex({ ...measured, secureBoot: false })
    expect(bootRegisters.map(String).filter((index) => off[index] !== before[index])).toEqual(['4', '7'])
  })
})

/** A document as JSON. */
interface Loose {
  [member: string]: unknown
  bootFile: { loader: string; sections: { name: string }[] }
  image?: { source: string }
  secureBoot: { on: { variables: unknown[] }; off?: unknown }
}

describe('a signed document of measurements', () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  let keys: Jwk[]
  let sign: (payload: Uint8Array, header?: object) => Promise<string>

  beforeAll(async () => {
    const made = async (kid: string): Promise<{ jwk: Jwk; sign: typeof sign }> => {
      const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const { x, y } = await crypto.subtle.exportKey('jwk', publicKey)
      return {
        jwk: { kty: 'EC', crv: 'P-256', x, y, kid, alg: 'ES256', use: 'sig' },
        sign: async (payload, header = {}) => {
          const head = toBase64Url(utf8(JSON.stringify({ alg: 'ES256', typ: imageMeasurementsType, kid, ...header })))
          const input = `${head}.${toBase64Url(payload)}`
          const how = { name: 'ECDSA', hash: 'SHA-256' }
          const signature = await crypto.subtle.sign(how, privateKey, Uint8Array.from(utf8(input)))
          return `${input}.${toBase64Url(new Uint8Array(signature))}`
        },
      }
    }
    const own = await made('own')
    keys = [own.jwk]
    sign = own.sign
  })

  it('is read as it was written', async () => {
    const jws = await sign(imageMeasurementsText(measured))
    expect(await verifyImageMeasurements({ jws, keys })).toEqual(measured)
    const { root: _root, certificates: _certificates, ...before } = measured
    expect(await verifyImageMeasurements({ jws: await sign(imageMeasurementsText(before)), keys })).toEqual(before)
  })

  it('counts by a key that was pinned, under its own type, whole, and not otherwise', async () => {
    const text = imageMeasurementsText(measured)
    const jws = await sign(text)
    const [head = '', payload = '', signature = ''] = jws.split('.')
    const changed = imageMeasurementsText({
      ...measured,
      bootFile: { ...measured.bootFile, loader: new Uint8Array(32) },
    })
    const code = async (o: { jws: string; keys?: Jwk[] }): Promise<string | undefined> =>
      await verifyImageMeasurements({ keys, ...o }).then(
        () => undefined,
        (error: unknown) => (error as { code?: string }).code,
      )
    expect(await code({ jws })).toBeUndefined()
    expect(await code({ jws, keys: [] })).toBe('TokenKeyUnknown')
    expect(await code({ jws: `${head}.${toBase64Url(changed)}.${signature}` })).toBe('TokenSignatureInvalid')
    const other = { ...keys[0], x: keys[0]!['y'], y: keys[0]!['x'] }
    expect(await code({ jws, keys: [other] })).toBeDefined()
    expect(await code({ jws: await sign(text, { kid: 'other' }) })).toBe('TokenKeyUnknown')
    expect(await code({ jws: await sign(text, { typ: 'JWT' }) })).toBe('TokenOfAnotherKind')
    expect(await code({ jws: await sign(text, { crit: ['x'], x: 1 }) })).toBe('UnknownCriticalExtension')
    expect(await code({ jws: await sign(text, { alg: 'none' }) })).toBe('AlgorithmNotAllowed')
    expect(await code({ jws: await sign(text, { alg: 'HS256' }) })).toBe('AlgorithmNotAllowed')
    expect(await code({ jws: `${head}.${payload}.` })).toBeDefined()
  })

  it.each<[string, (document: Loose) => void, string]>([
    ['of a later version', (d) => (d['version'] = 3), 'UnknownVersion'],
    ['of version 1 with what came with version 2', (d) => (d['version'] = 1), 'InvalidValue'],
    [
      'of version 1 with a root partition',
      (d) => delete Object.assign(d, { version: 1 })['certificates'],
      'InvalidValue',
    ],
    ['of version 2 without certificates', (d) => delete d['certificates'], 'InvalidValue'],
    ['of an empty root partition', (d) => Object.assign(d['root'] as object, { bytes: 0 }), 'InvalidValue'],
    ['of a root partition without a digest', (d) => delete (d['root'] as Loose)['sha256'], 'InvalidValue'],
    ['with a member that nobody knows', (d) => (d['more'] = 1), 'InvalidValue'],
    ['without its image', (d) => delete d.image, 'InvalidValue'],
    ['of an image without a source', (d) => (d.image!.source = 'elsewhere'), 'InvalidValue'],
    ['with half a digest', (d) => (d.bootFile.loader = 'ab'), 'InvalidValue'],
    ['with a digest in capitals', (d) => (d.bootFile.loader = 'AB'.repeat(32)), 'InvalidValue'],
    ['with sections in another order', (d) => d.bootFile.sections.reverse(), 'InvalidValue'],
    ['with a section twice', (d) => d.bootFile.sections.push(d.bootFile.sections.at(-1)!), 'InvalidValue'],
    ['with a section that is not measured', (d) => (d.bootFile.sections[0]!.name = '.text'), 'InvalidValue'],
    ['without db', (d) => d.secureBoot.on.variables.splice(2, 1), 'InvalidValue'],
    ['without Secure Boot off', (d) => delete d.secureBoot.off, 'InvalidValue'],
    ['of no time', (d) => (d['measuredAt'] = '2026-11-27'), 'InvalidValue'],
  ])('is refused %s', (_what, change, code) => {
    const document = JSON.parse(new TextDecoder().decode(imageMeasurementsText(measured))) as Loose
    change(document)
    expect(() => parseImageMeasurements(utf8(JSON.stringify(document)))).toThrow(
      expect.objectContaining({ name: 'ParseError', code }),
    )
  })

  it('refuses any other bytes as a parser does, and has one text for one meaning', () => {
    const text = imageMeasurementsText(measured)
    const damaged = fc.array(fc.record({ at: fc.nat(text.length - 1), value: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(fc.oneof(damaged, fc.json().map(utf8), fc.uint8Array({ maxLength: 300 })), (input) => {
        const bytes = input instanceof Uint8Array ? input : text.slice()
        if (!(input instanceof Uint8Array)) for (const { at, value } of input) bytes[at] = value
        try {
          expect(imageMeasurementsText(parseImageMeasurements(bytes))).toEqual(bytes)
        } catch (error) {
          if (!(error instanceof EvidenceError)) throw error
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
