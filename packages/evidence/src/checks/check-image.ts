import type { Jwk } from '../core/jwk.ts'
import { verifyImageMeasurements } from '../expect/predict/image-measurements.ts'
import { type Check, failed, passed, skipped } from './check.ts'

/**
 * Judges the signed document of what an image measures. It states nothing of a machine: it says which registers to expect.
 * @param o.jws compact JWS
 * @param o.keys that the verifier pinned (`images` of its anchors); without any it stays open
 */
export async function checkImageMeasurements(o: { jws: string; keys: readonly Jwk[] | undefined }): Promise<Check> {
  const id = 'image.measurements'
  if (o.keys === undefined)
    return skipped(id, 'No keys that sign what images measure were given (images, in the anchors)')
  try {
    const { image } = await verifyImageMeasurements({ jws: o.jws, keys: o.keys })
    return passed(id, `${image.name} ${image.version}`)
  } catch (error) {
    return failed(id, error)
  }
}
