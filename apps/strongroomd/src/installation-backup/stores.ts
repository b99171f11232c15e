import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { run } from '@strongroom/platform'

/** In a backup of an installation on PostgreSQL. */
export const dumpFile = 'stores.sql'

/** How long the writers of a running server may keep a store. */
const busyMs = 10_000

/**
 * Copies all stores as of one moment, while a server may be running: no store is written between the first copy and the
 * last.
 * @param into an empty directory @returns the files in it
 */
export async function copySqlite(stateDir: string, into: string): Promise<string[]> {
  const held: DatabaseSync[] = []
  const files = (await readdir(stateDir)).filter((name) => name.endsWith('.db')).toSorted()
  try {
    for (const name of files) {
      const db = new DatabaseSync(join(stateDir, name))
      held.push(db)
      db.exec(`pragma busy_timeout = ${busyMs}`)
      db.exec('begin immediate')
    }
    for (const name of files) {
      // SQLite copies by a connection that is in no transaction of its own.
      const reader = new DatabaseSync(join(stateDir, name), { readOnly: true })
      try {
        await backup(reader, join(into, name), { rate: 10_000 })
      } finally {
        reader.close()
      }
    }
  } finally {
    for (const db of held) db.close()
  }
  return files
}

/** In one snapshot, while servers may be running. @param directory where the password's file is, meanwhile */
export async function dumpPostgres(url: string, directory: string): Promise<string[]> {
  const { conninfo, env } = await withoutPassword(url, directory)
  await run({
    command: 'pg_dump',
    args: [
      '--no-password',
      '--no-owner',
      '--no-privileges',
      '--schema=strongroom_*',
      `--file=${join(directory, dumpFile)}`,
      `--dbname=${conninfo}`,
    ],
    env,
    timeoutMs: 3_600_000,
  })
  return [dumpFile]
}

/** Into a database that has no schema of these names. All of it, or nothing. */
export async function loadPostgres(url: string, directory: string): Promise<void> {
  const { conninfo, env } = await withoutPassword(url, directory)
  await run({
    command: 'psql',
    args: [
      '--no-password',
      '--no-psqlrc',
      '--quiet',
      '--single-transaction',
      '--set=ON_ERROR_STOP=1',
      `--file=${join(directory, dumpFile)}`,
      `--dbname=${conninfo}`,
    ],
    env,
    timeoutMs: 3_600_000,
  })
}

/** Arguments and environments can be read by others: the password is in a file. */
async function withoutPassword(
  url: string,
  directory: string,
): Promise<{ conninfo: string; env: Record<string, string> }> {
  const { conninfo, password } = splitPassword(url)
  if (password === undefined) return { conninfo, env: {} }
  const path = join(directory, 'pgpass')
  const text = password.replaceAll('\\', '\\\\').replaceAll(':', '\\:')
  await writeFile(path, `*:*:*:*:${text}\n`, { mode: 0o600 })
  return { conninfo, env: { PGPASSFILE: path } }
}

/** The password of a PostgreSQL URL, which stands before the host or among the parameters; the latter counts. */
export function splitPassword(url: string): { conninfo: string; password?: string } {
  const [, before = '', first, rest = ''] = /^(postgres(?:ql)?:\/\/[^/?#@:]*)(?::([^/?#@]*))?(@.*)$/.exec(url) ?? [
    undefined,
    url,
  ]
  const [place = '', query] = `${before}${rest}`.split(/\?(.*)/s)
  const parameters = (query ?? '').split('&').filter((each) => each !== '')
  const others = parameters.filter((each) => !each.startsWith('password='))
  const last = parameters.findLast((each) => each.startsWith('password='))?.slice('password='.length)
  const password = last ?? first
  const conninfo = others.length === 0 ? place : `${place}?${others.join('&')}`
  return { conninfo, ...(password !== undefined && { password: decodeURIComponent(password) }) }
}
