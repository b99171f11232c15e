import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pinRoots } from './pinned-roots.ts'

const anchors = { amd: [{ name: 'ARK', spkiSha256: 'aa' }], intel: [], images: [{ kid: 'own' }], simulated: true }
const files = { anchors: JSON.stringify(anchors), authority: 'a certificate' }

let config: string
beforeEach(async () => void (config = await mkdtemp(join(tmpdir(), 'strongroom-pinned-roots-'))))
afterEach(async () => await rm(config, { recursive: true, force: true }))

describe('the roots of an installation', () => {
  it('are remembered at first use, for each installation', async () => {
    await pinRoots(config, '/state/one', files)
    await pinRoots(config, '/state/one', files)
    await pinRoots(config, '/state/two', { ...files, authority: 'another' })
    expect(await readdir(join(config, 'roots'))).toHaveLength(2)
  })

  it.each([
    [
      'of AMD',
      { ...files, anchors: JSON.stringify({ ...anchors, amd: [{ name: 'ARK', spkiSha256: 'bb' }] }) },
      'amd in anchors.json',
    ],
    [
      'of Intel',
      { ...files, anchors: JSON.stringify({ ...anchors, intel: [{ name: 'own' }] }) },
      'intel in anchors.json',
    ],
    [
      'that sign images',
      { ...files, anchors: JSON.stringify({ ...anchors, images: [...anchors.images, { kid: 'other' }] }) },
      'images in anchors.json',
    ],
    [
      'that are not simulated',
      { ...files, anchors: JSON.stringify({ ...anchors, simulated: false }) },
      'simulated in anchors.json',
    ],
    [
      'without a member',
      { ...files, anchors: JSON.stringify({ ...anchors, images: undefined }) },
      'images in anchors.json',
    ],
    ['of another authority', { ...files, authority: 'another' }, 'the authority in ca.pem'],
  ])('are refused where the host put others %s in their place (attack H30)', async (_, found, what) => {
    await pinRoots(config, '/state', files)
    await expect(pinRoots(config, '/state', found)).rejects.toMatchObject({
      code: 'TrustAnchorsChanged',
      detail: { innererror: { found: `others: ${what}` } },
    })
    // The first ones stay.
    await pinRoots(config, '/state', files)
  })

  it('are not replaced where the record of them is damaged', async () => {
    await pinRoots(config, '/state', files)
    const [name = ''] = await readdir(join(config, 'roots'))
    await writeFile(join(config, 'roots', name), '{')
    await expect(pinRoots(config, '/state', files)).rejects.toMatchObject({ code: 'TrustAnchorsChanged' })
  })
})
