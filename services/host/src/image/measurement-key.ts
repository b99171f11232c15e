import { createHash, createPrivateKey, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Jwk } from '@strongroom/evidence'
import { imageMeasurementsType } from '@strongroom/evidence/expected'
import { createFileAtomically, type Sealer } from '@strongroom/platform'

/** The key with which an installation signs measurements of its images and firmware. It signs nothing else. */
export interface MeasurementKey {
  /** As verifiers pin it: `anchors.json`, member `images`. */
  publicJwk: Jwk
  /** Compact JWS, ES256. @param type `typ` of the kind of document; default: an image's measurements */
  sign(document: Uint8Array, type?: string): string
}

const context = 'image/measurement-key'

/** Opens or creates STATE/image-measurements.key.sealed. @throws if it is not sealed by this installation's master key */
export async function openMeasurementKey(o: { stateDir: string; sealer: Sealer }): Promise<MeasurementKey> {
  const path = join(o.stateDir, 'image-measurements.key.sealed')
  for (;;) {
    const sealed = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (sealed !== undefined) {
      const key = Buffer.from(await o.sealer.open(sealed, context))
      return measurementKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
    }
    const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    // If two servers start at once, both use the first one's key.
    if (await createFileAtomically(path, await o.sealer.seal(pkcs8, context))) return measurementKey(privateKey)
  }
}

/** @param privateKey P-256 */
export function measurementKey(privateKey: KeyObject): MeasurementKey {
  const { x = '', y = '' } = privateKey.export({ format: 'jwk' })
  // RFC 7638 section 3: the required members, in this order.
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
  const part = (value: Uint8Array): string => Buffer.from(value).toString('base64url')
  return {
    publicJwk: { kty: 'EC', crv: 'P-256', x, y, use: 'sig', alg: 'ES256', kid },
    sign: (document, typ = imageMeasurementsType) => {
      const header = part(Buffer.from(JSON.stringify({ alg: 'ES256', typ, kid })))
      const input = `${header}.${part(document)}`
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `${input}.${part(signature)}`
    },
  }
}
