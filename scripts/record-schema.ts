import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { releaseStep } from '@strongroom/contract'
import { openStore } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { everyStore } from '../test/boundaries/schema/every-store.ts'
import { readSchema, type RecordedSchema } from '../test/boundaries/schema/schema.ts'

/**
 * Writes the tables of every store to test/boundaries/schema/previous.json, and what nothing uses any longer. With each
 * release, before its step is raised: the next one must leave them usable (CONTRIBUTING.md).
 */
const folder = join(import.meta.dirname, '../test/boundaries/schema')
const directory = await mkdtemp(join(tmpdir(), 'strongroom-schema-'))
try {
  const retired = JSON.parse(await readFile(join(folder, 'retired.json'), 'utf8')) as string[]
  const recorded: RecordedSchema = { releaseStep, retired, tables: {} }
  for (const [name, make] of Object.entries(everyStore)) {
    const store = await openStore({ url: `sqlite:${directory}`, service: name, sealer: testSealer })
    await make(store)
    Object.assign(recorded.tables, await readSchema(name, store))
    await store.close()
  }
  // A line for each table, so that a change of one is seen.
  const tables = Object.entries(recorded.tables).map(
    ([name, table]) => `${JSON.stringify(name)}:${JSON.stringify(table)}`,
  )
  const head = `"releaseStep":${releaseStep},"retired":${JSON.stringify(retired)}`
  await writeFile(join(folder, 'previous.json'), `{${head},"tables":{\n${tables.join(',\n')}\n}}\n`)
} finally {
  await rm(directory, { recursive: true, force: true })
}
