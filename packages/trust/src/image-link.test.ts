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
import { afterAll, beforeAll, expect, it } from 'vitest'
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

async function measuredOf(who: typeof own): Promise<string> {
  const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((each) => ({ name: each, sha256: filled(5) }))
  const document: ImageMeasurements = {
    image: { id: `${name}-1`, name, version: '13.0.1', source: 'reference' },
    measuredAt: new Date(0),
    bootFile: bootFile(1),
    variables: { on: { variables, authority: await publisherAuthority(who.certificate) }, off: { variables } },
  }
  const header = { alg: 'ES256', typ: imageMeasurementsType, kid: 'own' }
  const key = { key: installation.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return jws(header, imageMeasurementsText(document), (input) => sign('sha256', input, key))
}

afterAll(async () => await rm(folder, { recursive: true, force: true }))

/** The link's result for a VM whose creator pinned the image's own boot file and trusted a boot of this generation. */
const link = async (
  update?: BootFacts['update'],
  generation?: number,
  document = measurements,
): Promise<Awaited<ReturnType<typeof imageLink>>> =>
  await imageLink({ measurements: document, ...(update && { update }) } as BootFacts, {
    anchors,
    asked: {
      by: 'creator',
      reference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
      bootFile: toHex(filled(1)),
      publisher: toHex(await publisherAuthority(own.certificate)),
      generation,
    },
  })

it('takes the boot file of the image, and an update that its publisher signed', async () => {
  expect((await link()).measurements.bootFile.loader).toEqual(filled(1))
  const found = await link(updateBy(own, 2))
  expect(found.measurements.bootFile.loader).toEqual(filled(9))
  const publisher = toHex(await publisherAuthority(own.certificate))
  expect(found.pins).toEqual({ bootFile: toHex(filled(1)), publisher, generation: 2 })
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
