import { X509Certificate } from 'node:crypto'
import { badParameter } from '../core/errors.ts'

const limits = { certificates: 20, text: 64 * 1024 }

/**
 * Certificates returned for a request, the key's own first.
 * @param subjectKey SubjectPublicKeyInfo (DER) of the pending key
 * @returns DER of each
 * @throws ServiceError 400 BadParameter
 */
export function readChain(value: unknown, subjectKey: Uint8Array): Uint8Array[] {
  const expected = `1 to ${limits.certificates} certificates as base64 of their DER`
  const wrong = (found: string): never => {
    throw badParameter('The certificates cannot be merged.', { target: 'x5c', expected, found })
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.certificates) return wrong('no such list')
  const read = value.map((text: unknown) => {
    if (typeof text !== 'string' || text.length > limits.text) return wrong('something else')
    try {
      return new X509Certificate(Buffer.from(text, 'base64'))
    } catch {
      return wrong('what is not a certificate')
    }
  })
  const leaf = read.find(({ publicKey }) => publicKey.export({ type: 'spki', format: 'der' }).equals(subjectKey))
  if (leaf === undefined)
    throw badParameter('None of the certificates is for the key of the pending certificate.', {
      target: 'x5c',
      expected: 'a certificate for the key that the request was made with',
      found: 'certificates for other keys',
      remedy: 'Have the request from az keyvault certificate pending show signed.',
    })
  return [leaf, ...read.filter((each) => each !== leaf)].map(({ raw }) => raw)
}
