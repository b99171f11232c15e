import type { RowForm } from '../objects/repository.ts'
import { changeableColumnsOf, versionedOf, type Versioned } from '../objects/versioned.ts'
import type { SecretVersionRow } from '../store/tables.ts'

/** Version of a secret. Its value stays sealed until a permitted caller reads it. */
export interface SecretVersion extends Versioned {
  contentType: string | undefined
  sealed: Uint8Array
}

export const secretRows: RowForm<SecretVersion, SecretVersionRow> = {
  tables: { objects: 'secret_object', versions: 'secret_version' },
  fromRow: (row) => ({
    ...versionedOf(row),
    contentType: row.content_type ?? undefined,
    sealed: Buffer.from(row.sealed, 'base64'),
  }),
  toRow: (secret, ordinal) => ({
    vault: secret.vault,
    name: secret.name,
    version: secret.version,
    ordinal,
    created: secret.created,
    sealed: Buffer.from(secret.sealed).toString('base64'),
    ...changed(secret),
  }),
  changed,
}

function changed(
  secret: SecretVersion,
): ReturnType<typeof changeableColumnsOf> & Pick<SecretVersionRow, 'content_type'> {
  return { ...changeableColumnsOf(secret), content_type: secret.contentType ?? null }
}
