import type { Result } from '../core/output.ts'

/** An operation-log entry, counted from 0. The vault's design note 0004 lists the fields. */
export interface ShownEntry {
  index: number
  entry: Record<string, unknown>
}

/** An entry that is not JSON was signed nevertheless, and is shown as text. */
export function parseEntry(bytes: Uint8Array, index: number): ShownEntry {
  const text = Buffer.from(bytes).toString('utf8')
  try {
    return { index, entry: JSON.parse(text) as Record<string, unknown> }
  } catch {
    return { index, entry: { text } }
  }
}

const columns = ['Index', 'At', 'Operation', 'Subject', 'Version', 'Verdict', 'Caller', 'Application', 'Via']

export function entriesTable(entries: ShownEntry[]): NonNullable<Result['table']> {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    columns,
    rows: entries.map(({ index, entry }) => [
      String(index),
      text(entry['at']),
      text(entry['operation']),
      text(entry['keyName']) || text(entry['subject']),
      text(entry['keyVersion']).slice(0, 8),
      [text(entry['verdict']), text(entry['code'])].filter((part) => part !== '').join(' '),
      text(entry['objectId']),
      text(entry['appId']),
      text((entry['via'] as Record<string, unknown> | null | undefined)?.['service']),
    ]),
  }
}
