import { CompiledQuery, Kysely, PostgresDialect, type KyselyPlugin, type PostgresPoolClient } from 'kysely'
import type { Binding } from '../bound/binding.ts'
import { BoundDialect } from '../bound/bound-dialect.ts'
import type { Database } from '../store-types.ts'
import { postgresAddresses } from './addresses.ts'
import { DatabaseServer } from './database-server.ts'
import { PrimaryPool } from './primary-pool.ts'

/** Object id of Postgres's 64-bit integer, which `count(*)` returns and pg returns as a string. */
const int8 = 20

/** pg is loaded only here: an installation on SQLite does not pay for its memory. */
export async function openPostgres(
  url: string,
  service: string,
  plugins: KyselyPlugin[],
  binding: Binding,
): Promise<Database> {
  const { default: pg } = await import('pg')
  const schema = `strongroom_${service.replaceAll('-', '_')}`
  const config = {
    max: 8,
    connectionTimeoutMillis: 10_000,
    application_name: `strongroom ${service}`,
    types: {
      getTypeParser: (id: number, format?: 'text' | 'binary') =>
        id === int8 ? Number : pg.types.getTypeParser(id, format as 'text'),
    } as never,
  }
  const pool = new PrimaryPool(postgresAddresses(url).map((each) => new DatabaseServer({ pg, url: each, config })))
  try {
    await createSchema(pool, schema)
  } catch (error) {
    await pool.end()
    throw error
  }
  return new Kysely({
    dialect: new BoundDialect({
      binding,
      inner: new PostgresDialect({
        pool: {
          options: config,
          connect: async () => (await pool.connect()) as PostgresPoolClient,
          end: () => pool.end(),
        },
        onCreateConnection: async (connection) => {
          await connection.executeQuery(CompiledQuery.raw(`set search_path to ${schema}`))
          // A process that hangs in a transaction must not keep its locks from the one that takes over its work.
          await connection.executeQuery(CompiledQuery.raw(`set idle_in_transaction_session_timeout to '7s'`))
        },
      }),
    }),
    plugins,
  })
}

/** Two processes that start at once would both create the schema, and the second would fail on the catalogue. */
async function createSchema(pool: PrimaryPool, schema: string): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('select pg_advisory_lock(hashtext($1))', [schema])
    await client.query(`create schema if not exists ${schema}`, [])
    await client.query('select pg_advisory_unlock(hashtext($1))', [schema])
  } finally {
    // With the lock, if it still holds one.
    client.release(true)
  }
}
