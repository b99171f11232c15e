import type { Jwk } from '../core/jwk.ts'
import { verifyImageMeasurements } from '../expect/predict/image-measurements.ts'
import { type Check, failed, passed, skipped } from './check.ts'

/**
 * Verifies a signed document of image measurements. It attests no machine: it states which register values to expect.
 * @param o.jws compact JWS
 * @param o.keys pinned by the verifier (`images` of its anchors); without any, the check is skipped
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
