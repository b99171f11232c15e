import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  compatibilityPath as path,
  digestOf,
  readRecords,
  recordsPath,
  versionsOf,
  withRun,
  withWorksWith,
  worksWithMarks,
} from './works-with.ts'

export interface Row {
  section: string
  /** As a user writes it. */
  call: string
  result: string
}

const preface = `# Compatibility

Every command and call below was run, unmodified, by the test that writes this page (\`test/clients\`): against one installation
without guests (\`compute: simulated\`), over TLS, without internet. "refused" is an answer that Azure gives too; "not offered" is
one that Azure does not.

Which members of requests have an effect, and which are kept without one or refused: [members.md](members.md).

${worksWithMarks.join('\n')}
`

const escape = (text: string): string => text.replaceAll('|', String.raw`\|`)

/** Rewrites one client test's part of docs/reference/compatibility.md, and the run's record with its table if something is new. */
export async function writeCompatibility(client: string, title: string, rows: Row[]): Promise<void> {
  const sections = [...new Set(rows.map(({ section }) => section))]
  const tables = sections.map((section) => {
    const lines = rows
      .filter((row) => row.section === section)
      .map((row) => `| \`${escape(row.call)}\` | ${row.result} |`)
    return [`### ${section}`, '', '| Call | Result |', '|---|---|', ...lines, ''].join('\n')
  })
  const part = ['', `## ${title}`, '', `${rows.length} calls.`, '', ...tables].join('\n')
  const run = { title, clients: versionsOf(client), part: digestOf(part) }
  await alone(async () => {
    await replacePart(client, part)
    const before = readRecords()
    const after = withRun(before, client, run)
    if (JSON.stringify(after) === JSON.stringify(before)) return
    await writeFile(recordsPath, `${JSON.stringify(after, null, 2)}\n`)
    await writeFile(path, withWorksWith(await readFile(path, 'utf8'), after))
  })
}

/** Each client test's part, by name. */
export async function partsOf(): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8')
  const parts = text.matchAll(/<!-- (\S+): written by its test -->\n([\s\S]*?)\n<!-- end of \1 -->/g)
  return Object.fromEntries([...parts].map(([, client, part]) => [client!, part!]))
}

async function replacePart(client: string, content: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => preface)
  const begin = `<!-- ${client}: written by its test -->`
  const end = `<!-- end of ${client} -->`
  const part = [begin, content, end].join('\n')
  const [head, tail] = before.includes(begin)
    ? [before.slice(0, before.indexOf(begin)), before.slice(before.indexOf(end) + end.length)]
    : [`${before.trimEnd()}\n\n`, '\n']
  const after = head + part + tail
  if (after !== before) await writeFile(path, after)
}

/** Test files run concurrently, and each writes its part: one reads and writes at a time. A killed one's lock is ignored. */
export async function alone(work: () => Promise<void>): Promise<void> {
  const lock = `${path}.lock`
  const deadline = Date.now() + 10_000
  for (;;) {
    const taken = await mkdir(lock).then(
      () => true,
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        return false
      },
    )
    if (taken || Date.now() > deadline) break
    await sleep(20)
  }
  try {
    await work()
  } finally {
    await rmdir(lock).catch(() => undefined)
  }
}
