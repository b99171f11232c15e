import { readFile } from 'node:fs/promises'
import {
  detect,
  EvidenceError,
  readJsonObject,
  parseCertificate,
  parsePem,
  type Piece,
  spkiSha256,
  type TrustAnchor,
} from '@strongroom/evidence'
import { CliError } from '../core/cli-error.ts'
import { cannotBeJudged } from './exit.ts'

const unreadable = (path: string, cause: unknown): CliError =>
  new CliError({
    code: 'FileNotReadable',
    message: `${path} cannot be read.`,
    exitCode: cannotBeJudged,
    found: (cause as { code?: string }).code ?? 'an error',
    remedy: 'Check the name and the permissions of the file.',
    cause,
  })

export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

/** Every piece of evidence in these files, each named by its file and its place in it. */
export async function readPieces(paths: readonly string[]): Promise<Piece[]> {
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: await readBytes(path) })))
  return files.flatMap(({ path, bytes }) => detect(path, bytes))
}

/** A JSON file that the user named as policy or anchors: refused whole where it is not what it should be. */
export async function readJson(path: string, what: string): Promise<unknown> {
  const bytes = await readBytes(path)
  try {
    // Of two members of one name, people and programs may read different ones.
    return readJsonObject(bytes, path)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new CliError({
      code: 'InvalidArgument',
      message: `${path} cannot be read: ${cause.message}.`,
      exitCode: cannotBeJudged,
      expected: what,
      found: cause.found ?? 'text that is no such JSON',
      remedy: 'See docs/evidence-policy.md for the form.',
      cause,
    })
  }
}

/** Pins of the certificates in a PEM file that the user named as an installation's authority. */
export async function readAuthority(path: string): Promise<TrustAnchor[]> {
  try {
    const certificates = parsePem(new TextDecoder().decode(await readBytes(path))).map((der) => parseCertificate(der))
    return await Promise.all(
      certificates.map(async (certificate) => ({
        name: certificate.subject.commonName ?? path,
        spkiSha256: await spkiSha256(certificate),
      })),
    )
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new CliError({
      code: 'InvalidArgument',
      message: `${path} is not the certificate of an authority.`,
      exitCode: cannotBeJudged,
      expected: 'PEM with CERTIFICATE',
      found: cause.message,
      remedy: "Give the installation's ca.pem.",
      cause,
    })
  }
}
