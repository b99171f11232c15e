import type { VersionRow } from '../store/tables.ts'

/** What versions of keys and secrets have in common. Times are seconds since 1970. */
export interface Versioned {
  /** Name of the vault. */
  vault: string
  name: string
  /** As first written. */
  shownName: string
  version: string
  enabled: boolean
  nbf: number | undefined
  exp: number | undefined
  created: number
  updated: number
  tags: Record<string, string>
}

export interface DeletedAt {
  deletedAt: number
  purgeAt: number
}

export type ShownRow<Row extends VersionRow> = Row & { shown_name: string }

export function versionedOf(row: ShownRow<VersionRow>): Versioned {
  return {
    vault: row.vault,
    name: row.name,
    shownName: row.shown_name,
    version: row.version,
    enabled: row.enabled === 1,
    nbf: row.nbf ?? undefined,
    exp: row.exp ?? undefined,
    created: row.created,
    updated: row.updated,
    tags: JSON.parse(row.tags) as Record<string, string>,
  }
}

/** The common columns that an update may change. */
export function changeableColumnsOf(
  object: Versioned,
): Pick<VersionRow, 'enabled' | 'nbf' | 'exp' | 'updated' | 'tags'> {
  return {
    enabled: object.enabled ? 1 : 0,
    nbf: object.nbf ?? null,
    exp: object.exp ?? null,
    updated: object.updated,
    tags: JSON.stringify(object.tags),
  }
}
