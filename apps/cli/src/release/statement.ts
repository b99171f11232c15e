import { exactly, list, object, optional, text, type TypeOf } from '@strongroom/contract/shape'

const sha256 = text(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal')
const commit = text(/^[0-9a-f]{40}$/, 'a commit of git')
const address = text(/^[\x21-\x7e]{1,300}$/, 'an address')
/** As in one folder: no name leads out of it, and none contains a line break. */
const fileName = text(/^[A-Za-z0-9@][\w.@+-]{0,199}$/, 'the name of a file')

/**
 * An in-toto statement (https://in-toto.io/Statement/v1) with a SLSA provenance (https://slsa.dev/provenance/v1),
 * exactly as our release build creates it: an unknown member could change its meaning.
 */
export const statementShape = object({
  _type: exactly('https://in-toto.io/Statement/v1'),
  subject: list(object({ name: fileName, digest: object({ sha256 }) }), { least: 1, most: 64 }),
  predicateType: exactly('https://slsa.dev/provenance/v1'),
  predicate: object({
    buildDefinition: object({
      /** scripts/release.ts, as described in docs/guides/install.md#releases-and-provenance. */
      buildType: exactly('urn:strongroom:release:v1'),
      externalParameters: object({ version: text(/^[\w.+-]{1,64}$/, 'a version') }),
      resolvedDependencies: list(
        object({ uri: address, digest: object({ gitCommit: optional(commit), sha256: optional(sha256) }) }),
        { least: 1, most: 64 },
      ),
    }),
    runDetails: object({ builder: object({ id: address }) }),
  }),
})

export type Statement = TypeOf<typeof statementShape>

/** A released file by its name and its SHA-256 in hexadecimal. */
export interface Subject {
  name: string
  sha256: string
}

export interface BuiltFrom {
  version: string
  /** Commit of git, in hexadecimal. */
  commit: string
  /** SHA-256 of package-lock.json, in hexadecimal. */
  lockFile: string
  /** Address that identifies the builder, for example a repository's release job. */
  builder: string
  /** Address of the sources. */
  source: string
}

/** Without a time, and in a fixed order: built again from the same input it is identical. */
export const statementOf = (subjects: readonly Subject[], from: BuiltFrom): Statement => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: subjects
    .map(({ name, sha256: digest }) => ({ name, digest: { sha256: digest } }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'urn:strongroom:release:v1',
      externalParameters: { version: from.version },
      resolvedDependencies: [
        { uri: from.source, digest: { gitCommit: from.commit } },
        { uri: `${from.source}#package-lock.json`, digest: { sha256: from.lockFile } },
      ],
    },
    runDetails: { builder: { id: from.builder } },
  },
})

export const commitOf = ({ predicate }: Statement): string | undefined =>
  predicate.buildDefinition.resolvedDependencies.find(({ digest }) => digest.gitCommit !== undefined)?.digest.gitCommit
