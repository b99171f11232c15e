import { execFile } from 'node:child_process'
import { constants, createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BootFacts } from '@strongroom/contract'
import { parsePem, toBase64Url, toHex, type TrustAnchors } from '@strongroom/evidence'
import {
  bootFileText,
  bootFileType,
  imageMeasurementsText,
  imageMeasurementsType,
  publisherAuthority,
  type BootFile,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { Proof } from '../provenance/link.ts'
import type { BootPins } from '../provenance/request.ts'
import { imageLink } from './image-link.ts'

const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const bootFile = (byte: number): BootFile => ({ loader: filled(byte), kernel: filled(byte), sections: [] })
const name = 'debian-13-confidential'
const installation = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const anchors = {
  simulated: true,
  amd: [],
  intel: [],
  images: [{ ...installation.publicKey.export({ format: 'jwk' }), kid: 'own' }],
} as unknown as TrustAnchors

let folder: string
let own: { key: KeyObject; certificate: Uint8Array }
let foreign: typeof own
let measurements: string
/** The same boot file, with another signer of its updates, under the key that signs measurements. */
let otherMeasurements: string

const jws = (header: object, payload: Uint8Array, by: (input: Buffer) => Buffer): string => {
  const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.')
  return `${input}.${by(Buffer.from(input)).toString('base64url')}`
}

async function publisher(file: string): Promise<typeof own> {
  const path = join(folder, file)
  const args = ['req', '-new', '-x509', '-subj', `/CN=${file}`, '-newkey', 'rsa:2048', '-nodes']
  await promisify(execFile)('openssl', [...args, '-keyout', `${path}.key`, '-out', path])
  return {
    key: createPrivateKey(await readFile(`${path}.key`)),
    certificate: parsePem(await readFile(path, 'utf8'))[0]!,
  }
}

const updateBy = (who: typeof own, generation: number, image = name): NonNullable<BootFacts['update']> => {
  const text = bootFileText({ image, generation, release: '6.12.57', builtAt: new Date(0), bootFile: bootFile(9) })
  const key = { key: who.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const document = jws({ alg: 'PS256', typ: bootFileType }, text, (input) => sign('sha256', input, key))
  return { document, certificate: toBase64Url(who.certificate) }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-image-link-'))
  own = await publisher('own')
  foreign = await publisher('foreign')
  measurements = await measuredOf(own)
  otherMeasurements = await measuredOf(foreign)
})

async function measuredOf(
  who: typeof own | undefined,
  image: Partial<ImageMeasurements['image']> = {},
): Promise<string> {
  const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((each) => ({ name: each, sha256: filled(5) }))
  const document: ImageMeasurements = {
    image: { id: `${name}-1`, name, version: '13.0.1', source: 'reference', ...image },
    measuredAt: new Date(0),
    bootFile: bootFile(1),
    variables: {
      on: { variables, ...(who && { authority: await publisherAuthority(who.certificate) }) },
      off: { variables },
    },
  }
  const header = { alg: 'ES256', typ: imageMeasurementsType, kid: 'own' }
  const key = { key: installation.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return jws(header, imageMeasurementsText(document), (input) => sign('sha256', input, key))
}

afterAll(async () => await rm(folder, { recursive: true, force: true }))

/** The link's result for a VM whose creator pinned the image's own boot file and trusted a boot of this generation. */
async function link(
  update?: BootFacts['update'],
  generation = 0,
  document = measurements,
  pinned: { bootFile?: undefined; publisher?: undefined; reference?: undefined } = {},
): Promise<{ bootFile: BootFile; pins: BootPins } & Pick<Proof, 'shows' | 'restsOn'>> {
  const proof = new Proof()
  const image = {
    by: 'creator' as const,
    reference:
      'reference' in pinned
        ? undefined
        : { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
  }
  const found = await imageLink({ measurements: document, ...(update && { update }) } as BootFacts, {
    anchors,
    asked: {
      image: vouch(image, 'verifier'),
      bootFile: vouch(toHex(filled(1)), 'verifier'),
      publisher: vouch(toHex(await publisherAuthority(own.certificate)), 'verifier'),
      generation: vouch(generation, 'verifier'),
      variableUpdates: vouch(0, 'verifier'),
      ...pinned,
    },
    proof,
  })
  const { shows, restsOn } = proof
  return { bootFile: found.measurements.value.bootFile, pins: found.pins.value, shows, restsOn }
}

it('takes the boot file of the image, and an update that its publisher signed', async () => {
  expect((await link()).bootFile.loader).toEqual(filled(1))
  const found = await link(updateBy(own, 2))
  expect(found.bootFile.loader).toEqual(filled(9))
  const publisher = toHex(await publisherAuthority(own.certificate))
  expect(found.pins).toEqual({ bootFile: toHex(filled(1)), publisher, generation: 2 })
  expect(found.restsOn).toEqual(['pinned key', 'verifier'])
  expect(found.shows.join('\n')).toContain('an update of it ran: kernel 6.12.57, generation 2, boot file 09090909')
})

it('refuses an update by another than the publisher of the image, and one that was changed (attack H14)', async () => {
  await expect(link(updateBy(foreign, 2))).rejects.toMatchObject({ code: 'AnotherPublisher' })
  const mixed = { ...updateBy(foreign, 2), certificate: toBase64Url(own.certificate) }
  await expect(link(mixed)).rejects.toMatchObject({ code: 'TokenSignatureInvalid' })
  await expect(link(updateBy(own, 2, 'debian-13-minimal'))).rejects.toMatchObject({ code: 'AnotherImage' })
})

it('refuses an update by who took the publisher’s place in a later document of measurements (attack H14)', async () => {
  await expect(link(updateBy(foreign, 2), undefined, otherMeasurements)).rejects.toMatchObject({
    code: 'AnotherPublisher',
  })
})

it('refuses what was superseded in a boot that was trusted: an update, and the image’s own (attack H14)', async () => {
  expect((await link(updateBy(own, 3), 3)).pins.generation).toBe(3)
  await expect(link(updateBy(own, 2), 3)).rejects.toMatchObject({ code: 'BootFileSuperseded' })
  await expect(link(undefined, 3)).rejects.toMatchObject({ code: 'BootFileSuperseded' })
})

describe('the publisher of an update', () => {
  it('is not compared where nobody trusted a boot before, and asked of the first one otherwise', async () => {
    const pins = (await link(updateBy(own, 2), 0, measurements, { bootFile: undefined, publisher: undefined })).pins
    expect(pins.generation).toBe(2)
    await expect(link(updateBy(own, 2), 0, measurements, { publisher: undefined })).rejects.toMatchObject({
      code: 'AnotherPublisher',
      expected: 'an image with a publisher',
      actual: toHex(await publisherAuthority(own.certificate)),
    })
  })

  it('is nobody for an image that has none', async () => {
    const unsigned = await measuredOf(undefined)
    await expect(link(updateBy(own, 2), 0, unsigned)).rejects.toMatchObject({
      code: 'AnotherPublisher',
      expected: toHex(await publisherAuthority(own.certificate)),
      actual: 'none',
    })
    const first = { bootFile: undefined, publisher: undefined }
    await expect(link(updateBy(own, 2), 0, unsigned, first)).rejects.toMatchObject({
      code: 'AnotherPublisher',
      expected: 'an image with a publisher',
    })
  })

  it('names the image that a captured disk was made of, which has another name', async () => {
    const captured = await measuredOf(own, { name: 'captured', source: 'capture' })
    expect((await link(updateBy(own, 2), 0, captured, { reference: undefined })).pins.generation).toBe(2)
  })
})
