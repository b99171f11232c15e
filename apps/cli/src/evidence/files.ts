import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { gunzipUpTo } from './gunzip.ts'
import {
  EvidenceError,
  readJsonObject,
  parseCertificate,
  parsePem,
  spkiSha256,
  type TrustAnchor,
} from '@strongroom/evidence'
import { detect, type Piece } from '@strongroom/evidence/files'
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

/** Maximum bytes of one file, and of all files of a command. */
const most = { file: 32 * 1024 * 1024, all: 64 * 1024 * 1024, files: 128 }

const tooLarge = (path: string, limit: number): CliError =>
  new CliError({
    code: 'FileTooLarge',
    message: `${path} is larger than any evidence.`,
    exitCode: cannotBeJudged,
    expected: `at most ${limit} bytes`,
    found: 'more',
    remedy: 'Pass the evidence itself, or fewer files at once.',
  })

/**
 * A regular file, read up to a limit: a device has no end, and a pipe may never have a beginning. The kernel reports
 * size 0 for its own files (binary_bios_measurements), so the reading itself is limited.
 */
export async function readBytes(path: string, limit: number = most.file): Promise<Uint8Array> {
  let file: FileHandle | undefined
  try {
    // Without O_NONBLOCK, opening a pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const kind = await file.stat()
    if (!kind.isFile()) throw notRegular(path, kind.isDirectory() ? 'a folder' : 'a device, pipe or socket')
    if (kind.size > limit) throw tooLarge(path, limit)
    const parts: Uint8Array[] = []
    let length = 0
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(64 * 1024), 0, 64 * 1024)
      if (bytesRead === 0) break
      length += bytesRead
      if (length > limit) throw tooLarge(path, limit)
      parts.push(buffer.subarray(0, bytesRead))
    }
    return new Uint8Array(Buffer.concat(parts))
  } catch (cause) {
    throw cause instanceof CliError ? cause : unreadable(path, cause)
  } finally {
    await file?.close()
  }
}

const notRegular = (path: string, found: string): CliError =>
  new CliError({
    code: 'FileNotReadable',
    message: `${path} is not a file.`,
    exitCode: cannotBeJudged,
    expected: 'a regular file',
    found,
    remedy: 'Write the evidence to a file first.',
  })

/**
 * Every piece of evidence in these files, named by file and place.
 * @param expired whether time is up, called before each file
 */
export async function readPieces(paths: readonly string[], expired: () => boolean = () => false): Promise<Piece[]> {
  if (paths.length > most.files) throw tooLarge(`A list of ${paths.length} files`, most.all)
  const pieces: Piece[] = []
  let left = most.all
  const gunzip = gunzipUpTo(most.all)
  for (const path of paths) {
    if (expired()) throw outOfTime(path)
    const bytes = await readBytes(path, Math.min(left, most.file))
    left -= bytes.length
    // One by one: a hostile file has more than a call accepts arguments.
    for (const piece of detect(path, bytes, { gunzip })) pieces.push(piece)
  }
  return pieces
}

const outOfTime = (path: string): CliError =>
  new CliError({
    code: 'TimeIsUp',
    message: `Reading the files took too long; ${path} was not read.`,
    exitCode: cannotBeJudged,
    expected: 'evidence, which is read in less than a second',
    remedy: 'Verify fewer or smaller files at once.',
  })

/** A JSON file given as policy or anchors: refused as a whole if invalid. */
export async function readJson(path: string, what: string): Promise<unknown> {
  const bytes = await readBytes(path)
  try {
    // Of duplicate members, people and programs may read different ones.
    return readJsonObject(bytes, path)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new CliError({
      code: 'InvalidArgument',
      message: `${path} cannot be read: ${cause.message}.`,
      exitCode: cannotBeJudged,
      expected: what,
      found: cause.found ?? 'text that is not such JSON',
      remedy: 'See docs/reference/policies.md#the-policy-of-evidence-verify for the form.',
      cause,
    })
  }
}

/** Pins of the certificates in a PEM file given as an installation's authority. */
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
      message: `${path} is not a CA certificate.`,
      exitCode: cannotBeJudged,
      expected: 'PEM with CERTIFICATE',
      found: cause.message,
      remedy: "Pass the installation's ca.pem.",
      cause,
    })
  }
}
