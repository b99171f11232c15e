import { basename } from 'node:path'
import { EvidenceError, readJsonObject } from '@strongroom/evidence'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { contentOf } from '../core/file-content.ts'
import { readJson } from '../evidence/files.ts'
import { ed25519KeyOf, opened } from '../release/envelope.ts'
import { fileDigest } from '../release/file-digest.ts'
import { commitOf, type Statement } from '../release/statement.ts'

const mismatch = (what: string, expected: string, found: string): CliError =>
  new CliError({
    code: 'ProvenanceMismatch',
    message: what,
    exitCode: exitCodes.notTrusted,
    expected,
    found,
    remedy: 'Do not use it. Fetch the file and its statement again from whoever released them.',
  })

/** The payload, without duplicate members: people and programs may read different ones. */
function parsePayload(payload: Uint8Array): unknown {
  try {
    return readJsonObject(payload, 'the statement')
  } catch (cause) {
    if (cause instanceof EvidenceError) return undefined
    throw cause
  }
}

/** Each file by its released name and bytes: one under another name is as wrong as a changed one. */
async function requireSubjects(statement: Statement, files: readonly string[]): Promise<void> {
  for (const path of files) {
    const name = basename(path)
    const subject = statement.subject.find((each) => each.name === name)
    if (subject === undefined) {
      const names = statement.subject.map((each) => each.name).join(', ')
      throw mismatch(`The statement is not about ${name}.`, `one of ${names}`, name)
    }
    const found = await fileDigest(path).catch(() => undefined)
    if (found === undefined) await contentOf(path)
    if (found !== subject.digest.sha256)
      throw mismatch(`${name} is not what was released.`, `SHA-256 ${subject.digest.sha256}`, `SHA-256 ${found}`)
  }
}

function requireOrigin(
  statement: Statement,
  wanted: { builder: string | undefined; commit: string | undefined },
): void {
  const { id } = statement.predicate.runDetails.builder
  if (wanted.builder !== undefined && wanted.builder !== id)
    throw mismatch('The release was built by another builder.', wanted.builder, id)
  const commit = commitOf(statement) ?? 'none'
  if (wanted.commit !== undefined && wanted.commit.toLowerCase() !== commit)
    throw mismatch('The release was built from another commit.', wanted.commit, commit)
}

const verify: Command = {
  words: ['release', 'verify'],
  args: ['<statement>', '<file...>'],
  summary: 'verify offline that files are as released: by which builder, from which commit, signed by the key you name',
  options: [
    { flags: '--key <file>', summary: "the releaser's public key, PEM" },
    { flags: '--builder <id>', summary: 'the required builder' },
    { flags: '--commit <commit>', summary: 'the required source commit' },
  ],
  examples: [
    'strongroom release verify strongroom-0.1.0.provenance.json strongroom_0.1.0_amd64.deb --key release.pub.pem ' +
      '--builder https://ci.example/release',
  ],
  run: async (context) => {
    const [path, ...files] = context.args
    const keyFile = textOption(context, 'key')
    if (keyFile === undefined) {
      throw new CliError({
        code: 'InvalidArgument',
        message: 'You must name the key whose signature you trust.',
        expected: '--key FILE',
        found: 'no key',
        remedy: "Get the releaser's public key over a channel you trust, and pass its file.",
        exitCode: exitCodes.usage,
      })
    }
    const key = ed25519KeyOf(await contentOf(keyFile), 'public', keyFile)
    const statement = opened(await readJson(path!, 'a DSSE envelope'), key, parsePayload)
    requireOrigin(statement, { builder: textOption(context, 'builder'), commit: textOption(context, 'commit') })
    await requireSubjects(statement, files)
    const { builder } = statement.predicate.runDetails
    const { version } = statement.predicate.buildDefinition.externalParameters
    const names = files.map((file) => basename(file))
    return {
      data: { verified: names, version, builder: builder.id, commit: commitOf(statement), statement },
      lines: [
        ...names.map((name) => `✓ ${name}`),
        `version: ${version}`,
        `builder: ${builder.id}`,
        `commit:  ${commitOf(statement) ?? 'none'}`,
      ],
    }
  },
}

export const releaseCommands: Command[] = [verify]
