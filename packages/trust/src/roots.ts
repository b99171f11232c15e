import {
  parseCertificate,
  parsePem,
  spkiSha256,
  type Certificate,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'

/** Everything that is trusted from the server. */
export interface Roots {
  anchors: TrustAnchors
  /** The installation's CA, which certifies the key service and the attestation keys. */
  authority: { certificate: Certificate; root: TrustAnchor }
}

/**
 * Parses anchors.json, as written by an installation.
 * @throws TypeError with the reason
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors } from '@strongroom/trust'
 *
 * parseAnchors(await readFile('anchors.json', 'utf8')).simulated // => true
 * parseAnchors('{}') // throws TypeError
 */
export function parseAnchors(text: string): TrustAnchors {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new TypeError('This is not JSON: pass the installation’s anchors.json.')
  }
  const { simulated, amd, intel, images } = (value ?? {}) as Record<string, unknown>
  const pins = (list: unknown): boolean =>
    Array.isArray(list) &&
    list.every((each: unknown) => {
      const { name, spkiSha256 } = (each ?? {}) as Record<string, unknown>
      return typeof name === 'string' && typeof spkiSha256 === 'string' && /^[0-9a-f]{64}$/.test(spkiSha256)
    })
  if (typeof simulated !== 'boolean' || !pins(amd) || !pins(intel))
    throw new TypeError(
      'These are not anchors: simulated, amd and intel with names and SHA-256 of their keys are expected.',
    )
  if (images !== undefined && !Array.isArray(images))
    throw new TypeError('These are not anchors: images is a list of public keys.')
  return value as TrustAnchors
}

/**
 * @param anchors the silicon's roots, and the keys that sign image measurements
 * @param authorityPem certificate of the installation's CA
 * @throws ParseError if there is no certificate
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors, rootsOf } from '@strongroom/trust'
 *
 * const roots = await rootsOf(parseAnchors(await readFile('anchors.json', 'utf8')), await readFile('ca.pem', 'utf8'))
 * roots.anchors.simulated // => true
 * roots.authority.root.name // => 'installation authority'
 */
export async function rootsOf(anchors: TrustAnchors, authorityPem: string): Promise<Roots> {
  const [der] = parsePem(authorityPem)
  const certificate = parseCertificate(der ?? new Uint8Array())
  const root = { name: 'installation authority', spkiSha256: await spkiSha256(certificate) }
  return { anchors, authority: { certificate, root } }
}
