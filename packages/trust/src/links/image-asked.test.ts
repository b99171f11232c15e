import { generateKeyPairSync, sign } from 'node:crypto'
import type { BootFacts, ImageReference } from '@strongroom/contract'
import { toBase64Url, toHex, type TrustAnchors } from '@strongroom/evidence'
import {
  dbOwner,
  imageMeasurementsText,
  imageMeasurementsType,
  measureVariables,
  signatureLists,
  variablesOfState,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { judge, type Link } from '../provenance/link.ts'
import type { AskedImage, BootPins } from '../provenance/request.ts'
import { imageLink } from './image-link.ts'

const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const installation = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const anchors = {
  simulated: true,
  amd: [],
  intel: [],
  images: [{ ...installation.publicKey.export({ format: 'jwk' }), kid: 'own' }],
} as unknown as TrustAnchors
const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((name) => ({ name, sha256: filled(5) }))
const reference = { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' }
const image = { id: 'reference-1', name: 'reference', version: '13.0.1', source: 'reference' as const }

interface Case {
  signed?: Partial<ImageMeasurements>
  asked?: ImageReference | null
  by?: AskedImage['by']
  bootFile?: string
  generation?: number
  facts?: Partial<BootFacts>
  /** Who brought the document. */
  from?: 'host' | 'verifier' | 'nobody'
  under?: TrustAnchors
}
type Found = Link & { measurements: ImageMeasurements | undefined; pins: BootPins | undefined }

async function linked(o: Case = {}): Promise<Found> {
  const { from = 'host', by = 'creator' } = o
  const text = imageMeasurementsText({
    image,
    measuredAt: new Date(0),
    bootFile: { loader: filled(1), kernel: filled(2), sections: [] },
    variables: { on: { variables, authority: filled(3) }, off: { variables } },
    ...(o.signed?.root && { certificates: filled(6) }),
    ...o.signed,
  } as ImageMeasurements)
  const header = JSON.stringify({ alg: 'ES256', typ: imageMeasurementsType, kid: 'own' })
  const input = [Buffer.from(header), Buffer.from(text)].map((part) => part.toString('base64url')).join('.')
  const key = { key: installation.privateKey, dsaEncoding: 'ieee-p1363' } as const
  const document = `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
  const asked = {
    image: vouch({ by, reference: o.asked === null ? undefined : (o.asked ?? reference) }, 'verifier'),
    bootFile: o.bootFile === undefined ? undefined : vouch(o.bootFile, 'verifier'),
    publisher: undefined,
    generation: vouch(o.generation ?? 0, 'verifier'),
    variableUpdates: vouch(0, 'verifier'),
  }
  const evidence = { ...(from === 'host' && { measurements: document }), ...o.facts }
  let found: Awaited<ReturnType<typeof imageLink>> | undefined
  const link = await judge('image', '', async (proof) => {
    const given = from === 'verifier' ? document : undefined
    found = await imageLink(evidence, { anchors: o.under ?? anchors, asked, document: given, proof })
  })
  return { ...link, measurements: found?.measurements.value, pins: found?.pins.value }
}

describe('the link to the requested image', () => {
  const shown = [
    'image reference-1 (reference 13.0.1): Strongroom:debian-13:cvm:latest according to the request recorded when this VM was created here',
    'measurements, boot file 0101010101010101…, signed by a pinned key, measured 1970-01-01T00:00:00.000Z',
  ]
  const earlier = 'measured by an earlier version, which did not look at the root partition'

  it('shows the image, its measurements and what to pin of it', async () => {
    expect(await linked()).toMatchObject({
      outcome: 'verified',
      restsOn: ['pinned key', 'verifier'],
      stated: [],
      shows: [...shown, earlier],
      measurements: { variables: { on: { variables, authority: filled(3) }, off: { variables } } },
    })
    expect((await linked()).pins).toEqual({ bootFile: '01'.repeat(32), publisher: '03'.repeat(32) })
    const signed = { variables: { on: { variables }, off: { variables } } } as ImageMeasurements
    expect((await linked({ signed })).pins).toEqual({ bootFile: '01'.repeat(32) })
  })

  it('compares the boot file with that of the first boot that was trusted', async () => {
    expect((await linked({ bootFile: '01'.repeat(32) })).shows).toEqual([
      ...shown,
      earlier,
      '0101010101010101… is the boot file of the first boot that you trusted',
    ])
    expect(await linked({ bootFile: '02'.repeat(32) })).toMatchObject({
      outcome: 'refused',
      code: 'AnotherBootFile',
      expected: '02'.repeat(32),
      actual: '01'.repeat(32),
    })
  })

  it('takes the verifier’s own document, and says so', async () => {
    const found = await linked({ from: 'verifier' })
    expect(found.shows).toEqual([...shown, 'the measurements are those that you passed', earlier])
  })

  it('is not checked without a document, and without a key that signs them', async () => {
    expect(await linked({ from: 'nobody' })).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining('The host did not keep the measurements') as string,
    })
    const { images: _images, ...none } = anchors
    for (const under of [none, { ...anchors, images: [] }])
      expect(await linked({ under })).toMatchObject({
        outcome: 'not checked',
        why: expect.stringContaining('The anchors contain no key that signs image measurements') as string,
      })
  })

  it('says what was signed of the root partition', async () => {
    const root = { sha256: filled(9), bytes: 4096 }
    expect((await linked({ signed: { root } })).shows[2]).toBe(
      'root partition SHA-256 0909090909090909…, signed with it: what an encrypted disk was made of',
    )
    const captured = { ...image, source: 'capture' as const }
    expect((await linked({ signed: { image: captured }, asked: null })).shows[2]).toBe(
      'the root partition is as the VM left it from whose disk the image was captured',
    )
  })

  it('is refused where a boot that was trusted ran an update of its boot file', async () => {
    expect(await linked({ generation: 1 })).toMatchObject({
      code: 'BootFileSuperseded',
      expected: 'generation 1 or later',
      actual: 'generation 0, of the image itself',
    })
  })

  it('pins how many updates its Secure Boot variables had, and measures what they are then', async () => {
    const list = (byte: number): Uint8Array => signatureLists({ owner: dbOwner, sha256: [filled(byte)] })
    const content = (data: Uint8Array) => ({ data, timestamp: new Uint8Array(16) })
    const state = { PK: content(list(1)), KEK: content(list(2)), db: content(list(3)), dbx: content(list(4)) }
    const { variables: on } = await measureVariables({ variables: variablesOfState(state), authority: undefined })
    const base = Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, toBase64Url(data)]))
    const by = { by: 'guest', at: '2026-11-29T06:00:00.000Z' }
    const updates = [{ variable: 'dbx', appended: toBase64Url(list(5)), ...by }]
    const facts = { secureBoot: { base, updates } } as unknown as Partial<BootFacts>
    const signed = { variables: { on: { variables: on }, off: { variables } } } as ImageMeasurements
    const found = await linked({ signed, facts })
    expect(found.pins).toEqual({ bootFile: '01'.repeat(32), variableUpdates: 1 })
    const dbxOf = (of: ImageMeasurements | undefined): string | undefined => {
      const dbx = of?.variables.on.variables.find(({ name }) => name === 'dbx')
      return dbx && toHex(dbx.sha256)
    }
    expect(dbxOf(found.measurements)).not.toBe(dbxOf((await linked({ signed })).measurements))
    expect(found.measurements?.variables.off.variables).toEqual(variables)
  })
})

describe('the image that was requested', () => {
  const own = (id: string) => ({ id: `/subscriptions/s/resourceGroups/g/providers/Strongroom.Machine/images/${id}` })
  const gallery = { id: '/subscriptions/s/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0' }
  const managed = { id: '/subscriptions/s/providers/Microsoft.Compute/IMAGES/i' }
  const ubuntu = { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'cvm', version: 'latest' }
  const captured = { ...image, source: 'capture' as const }
  const imported = { id: 'web-1', name: 'ubuntu-24_04-lts.cvm', version: '1.0', source: 'import' as const }
  const request = 'according to the request recorded when this VM was created here'
  const urn = 'Canonical:ubuntu-24_04-lts:cvm:latest'

  it.each<[what: string, asked: ImageReference | null, of: ImageMeasurements['image'], meaning: string]>([
    ['by its id', own('reference-1'), image, `${own('reference-1').id} ${request}`],
    [
      'by its URN, in any case',
      { ...reference, publisher: 'STRONGROOM' },
      image,
      `STRONGROOM:debian-13:cvm:latest ${request}`,
    ],
    ['as a disk', null, captured, `captured from a disk, from which the VM was created ${request}`],
    ['as a version of a gallery', gallery, captured, `captured from a disk, ${gallery.id} ${request}`],
    ['as a managed image', managed, captured, `captured from a disk, ${managed.id} ${request}`],
    ['as an import under another publisher’s URN', ubuntu, imported, `registered as ${urn}, ${request}`],
    [
      'by what the reference image stands in for',
      ubuntu,
      image,
      `the reference image, standing in for ${urn}, ${request}`,
    ],
  ])('is named %s', async (_what, asked, of, meaning) => {
    const { shows } = await linked({ asked, signed: { image: of } })
    expect(shows[0]).toBe(`image ${of.id} (${of.name} ${of.version}): ${meaning}`)
  })

  it.each([
    ['first boot', 'the resource manager’s record at the first boot of this VM that you trusted here'],
    ['resource manager', 'the resource manager’s record'],
  ] as const)('is known from whom: %s', async (by, words) => {
    expect((await linked({ by })).shows[0]).toMatch(
      new RegExp(`: Strongroom:debian-13:cvm:latest according to ${words}$`),
    )
  })

  it.each<[what: string, asked: ImageReference | null, of: ImageMeasurements['image'], expected: string]>([
    ['another of this installation', own('other'), image, own('other').id],
    ['another URN of Strongroom’s', { ...reference, sku: 'other' }, image, 'Strongroom:debian-13:other:latest'],
    [
      'another in other letters',
      { ...reference, publisher: 'strongroom', sku: 'other' },
      image,
      'strongroom:debian-13:other:latest',
    ],
    ['a version of a gallery', gallery, image, gallery.id],
    ['a disk', null, image, 'an image captured from a disk'],
    ['an image by URN, and it is a captured disk', reference, captured, 'Strongroom:debian-13:cvm:latest'],
    ['an image by id, and it is a captured disk', own('other'), captured, own('other').id],
    ['another publisher’s, and it is a captured disk', ubuntu, captured, urn],
    [
      'another publisher’s, and it is another import',
      { ...ubuntu, sku: 'server' },
      imported,
      'Canonical:ubuntu-24_04-lts:server:latest',
    ],
  ])('is refused where it is %s', async (_what, asked, of, expected) => {
    expect(await linked({ asked, signed: { image: of } })).toMatchObject({
      outcome: 'refused',
      code: 'AnotherImage',
      expected,
      actual: `${of.id} (${of.source})`,
    })
  })
})
