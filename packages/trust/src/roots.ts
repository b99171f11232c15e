import {
  parseCertificate,
  parsePem,
  spkiSha256,
  type Certificate,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'

/** All that the server's word counts for. */
export interface Roots {
  anchors: TrustAnchors
  /** The installation's CA, under which the key service and the attestation keys stand. */
  authority: { certificate: Certificate; root: TrustAnchor }
}

/**
 * @param anchors the silicon's roots, and the keys that sign what images measure
 * @param authorityPem certificate of the installation's authority
 * @throws ParseError where there is no certificate
 */
export async function rootsOf(anchors: TrustAnchors, authorityPem: string): Promise<Roots> {
  const [der] = parsePem(authorityPem)
  const certificate = parseCertificate(der ?? new Uint8Array())
  const root = { name: 'installation authority', spkiSha256: await spkiSha256(certificate) }
  return { anchors, authority: { certificate, root } }
}
