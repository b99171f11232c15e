import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../core/bytes/bytes.ts'
import { toBase64Url } from '../core/bytes/base64.ts'
import { imageMeasurementsText, imageMeasurementsType } from '../expect/predict/image-measurements.ts'
import type { Jwk } from '../tokens/keys.ts'
import { checkImageMeasurements } from './check-image.ts'

const sha256 = new Uint8Array(32)
const variables = ['PK', 'KEK', 'db', 'dbx'].map((name) => ({ name, sha256 }))
const document = imageMeasurementsText({
  image: { id: 'debian-13', name: 'Debian', version: '13.2', source: 'reference' },
  measuredAt: new Date('2026-01-01T00:00:00Z'),
  bootFile: { loader: sha256, sections: [] },
  variables: { on: { variables }, off: { variables } },
} as Parameters<typeof imageMeasurementsText>[0])

describe('what an image measures', () => {
  const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'images' } as unknown as Jwk]
  const header = { typ: imageMeasurementsType, alg: 'ES256', kid: 'images' }
  const input = `${toBase64Url(utf8(JSON.stringify(header)))}.${toBase64Url(document)}`
  const jws = `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`

  it('is taken from those who may say it, named by its image', async () => {
    expect(await checkImageMeasurements({ jws, keys })).toMatchObject({
      id: 'image.measurements',
      outcome: 'passed',
      actual: 'Debian 13.2',
    })
  })

  it('stays open without their keys, and fails under others', async () => {
    const open = await checkImageMeasurements({ jws, keys: undefined })
    expect([open.id, open.outcome, open.optional]).toEqual(['image.measurements', 'skipped', undefined])
    const own = { outcome: 'failed', code: 'TokenKeyUnknown' }
    expect(await checkImageMeasurements({ jws, keys: [] })).toMatchObject(own)
    expect(await checkImageMeasurements({ jws: `${jws}A`, keys })).toMatchObject({ outcome: 'failed' })
  })
})
