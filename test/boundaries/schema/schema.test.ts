import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { releaseStep } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { everyStore } from './every-store.ts'
import { breaksOf, readSchema, type RecordedSchema, type Schema } from './schema.ts'

const previous = JSON.parse(readFileSync(join(import.meta.dirname, 'previous.json'), 'utf8')) as RecordedSchema

it('the schema of the release before is that: record it with each release (CONTRIBUTING.md)', () => {
  expect([releaseStep, releaseStep - 1]).toContain(previous.releaseStep)
})

describeStores('the stores of this release', (open) => {
  it.each(Object.entries(everyStore))('serve programs of the release before: %s', async (name, make) => {
    const store = await open()
    await make(store)
    const tables = Object.entries(previous.tables).filter(([table]) => table.startsWith(`${name}.`))
    expect(tables.length).toBeGreaterThan(0)
    expect(breaksOf({ ...previous, tables: Object.fromEntries(tables) }, await readSchema(name, store))).toEqual([])
  })
})

describe('a change of a table in one step', () => {
  const [column, optional] = ['text', 'text?'] as const
  const recorded = (retired: string[] = []): RecordedSchema => ({
    releaseStep: 1,
    retired,
    tables: { 's.t': { columns: { id: column, note: optional }, unique: ['id'] } },
  })
  const now = (columns: Schema[string]['columns'], unique = ['id']): Schema => ({ 's.t': { columns, unique } })

  it.each<[string, Schema, string[]]>([
    ['nothing', now({ id: column, note: optional }), []],
    ['a new table', { ...now({ id: column, note: optional }), 's.u': { columns: { id: column }, unique: ['id'] } }, []],
    ['a new column that may be left out', now({ id: column, note: optional, more: optional }), []],
    [
      'a new column that must be given',
      now({ id: column, note: optional, more: column }),
      ['s.t.more is new and must be given'],
    ],
    ['a column that must be given now', now({ id: column, note: column }), ['s.t.note must be given now']],
    ['a column that is gone', now({ id: column }), ['s.t.note is gone']],
    ['a column of another type', now({ id: 'integer', note: optional }), ['s.t.id has another type']],
    ['a table that is gone', {}, ['s.t is gone']],
    ['a new unique index', now({ id: column, note: optional }, ['id', 'note']), ['s.t is unique by note now']],
  ])('%s', (_what, schema, breaks) => expect(breaksOf(recorded(), schema)).toEqual(breaks))

  it('may take away what the release before no longer uses', () => {
    expect(breaksOf(recorded(['s.t.note']), now({ id: column }))).toEqual([])
    expect(breaksOf(recorded(['s.t.note']), now({ note: optional }))).toEqual(['s.t.id is gone'])
    expect(breaksOf(recorded(['s.t']), {})).toEqual([])
  })
})
