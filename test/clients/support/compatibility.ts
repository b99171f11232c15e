import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'

const path = resolve(import.meta.dirname, '../../../docs/compatibility.md')

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
`

const escape = (text: string): string => text.replaceAll('|', String.raw`\|`)

/** Rewrites the part of docs/compatibility.md that one client's test owns. */
export async function writeCompatibility(client: string, title: string, rows: Row[]): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => preface)
  const begin = `<!-- ${client}: written by its test -->`
  const end = `<!-- end of ${client} -->`
  const sections = [...new Set(rows.map(({ section }) => section))]
  const tables = sections.map((section) => {
    const lines = rows
      .filter((row) => row.section === section)
      .map((row) => `| \`${escape(row.call)}\` | ${row.result} |`)
    return [`### ${section}`, '', '| Call | Result |', '|---|---|', ...lines, ''].join('\n')
  })
  const part = [begin, '', `## ${title}`, '', `${rows.length} calls.`, '', ...tables, end].join('\n')
  const [head, tail] = before.includes(begin)
    ? [before.slice(0, before.indexOf(begin)), before.slice(before.indexOf(end) + end.length)]
    : [`${before.trimEnd()}\n\n`, '\n']
  const after = head + part + tail
  if (after !== before) await writeFile(path, after)
}
