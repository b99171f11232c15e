import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  parseCertificate,
  parsePem,
  spkiSha256,
  type Certificate,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'
import { CliError } from '../core/cli-error.ts'

/** All that the server's word counts for. */
export interface Roots {
  anchors: TrustAnchors
  /** The installation's CA, under which the key service and the attestation keys stand. */
  authority: { certificate: Certificate; root: TrustAnchor }
}

/** STATE/anchors.json: the silicon's roots, and the keys that sign what images measure. @throws CliError NoTrustAnchors */
export async function readTrustAnchors(stateDir: string): Promise<TrustAnchors> {
  return await orNone(
    stateDir,
    async () => JSON.parse(await readFile(join(stateDir, 'anchors.json'), 'utf8')) as TrustAnchors,
  )
}

/** @throws CliError NoTrustAnchors */
export async function loadRoots(stateDir: string): Promise<Roots> {
  const anchors = await readTrustAnchors(stateDir)
  return await orNone(stateDir, async () => {
    const [der] = parsePem(await readFile(join(stateDir, 'ca.pem'), 'utf8'))
    const certificate = parseCertificate(der ?? new Uint8Array())
    const root = { name: 'installation authority', spkiSha256: await spkiSha256(certificate) }
    return { anchors, authority: { certificate, root } }
  })
}

async function orNone<T>(stateDir: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    throw new CliError({
      code: 'NoTrustAnchors',
      message: `The roots to verify under cannot be read from ${stateDir}.`,
      remedy: 'Start the server once: it writes anchors.json and ca.pem.',
      cause,
    })
  }
}
