/** Compares docs/proof/attacks.md with the list of attacks and the tests' titles. Pure: texts in, faults out. */

/** One row of the page. `tests` are the named tests; `reason` replaces them if the attack cannot apply. */
export interface AttackRow {
  readonly id: string
  readonly tests: readonly { readonly file: string; readonly title: string }[]
  readonly reason: string | undefined
}

/** Titles of tests that name their attack, by file. */
export type AttackTitles = ReadonlyMap<string, readonly string[]>

/** Series of this project's own findings: malicious host, wire and services, verifier and evidence. */
const ownSeries = /^[HWE]\d+$/
/** Characters; anything shorter is not a reason. */
const shortestReason = 60

const idOfRow = (line: string): string | undefined => /^\| ([A-Z]\d+) \|/.exec(line)?.[1]

/** Ids of a table of attacks, or of the copy of the list, in its order. */
export function idsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => idOfRow(line) ?? /^([A-Z]\d+) \S/.exec(line)?.[1] ?? [])
}

export function rowsIn(page: string): AttackRow[] {
  return page.split('\n').flatMap((line) => {
    const id = idOfRow(line)
    if (id === undefined) return []
    const tests = [...line.matchAll(/`([^`]+\.test\.ts)`: “([^”]+)”/g)]
    return [
      {
        id,
        tests: tests.map(([, file, title]) => ({ file: file!, title: title! })),
        reason: /\| Not applicable: ([^|]*?) *\|$/.exec(line)?.[1],
      },
    ]
  })
}

/** Titles in a test's source that end in “(attack ID)”, as an argument of a call. */
export function titlesIn(source: string): string[] {
  return [...source.matchAll(/\(\s*(['"`])([^\n]*?\(attacks? [^)\n]+\))\1\s*,/g)].map(([, , title]) => title!)
}

/** Ids in a title, in order. */
function idsOf(title: string): string[] {
  return /\(attacks? ([^)]+)\)$/.exec(title)?.[1]?.split(', ') ?? []
}

const twice = (ids: readonly string[]): string[] => ids.filter((id, index) => ids.indexOf(id) !== index)

function faultsOfRow(row: AttackRow, titles: AttackTitles): string[] {
  const naming = [...titles]
    .flatMap(([file, each]) => each.map((title) => ({ file, title })))
    .filter(({ title }) => idsOf(title).includes(row.id))
  if (row.reason !== undefined) {
    if (row.tests.length > 0 || naming.length > 0) return [`${row.id}: is tested, and said not to apply`]
    return row.reason.length < shortestReason ? [`${row.id}: the reason why it does not apply is too short`] : []
  }
  if (row.tests.length === 0) return [`${row.id}: names no test`]
  const listed = new Set(row.tests.map(({ file, title }) => `${file} ${title}`))
  return [
    ...row.tests
      .filter(({ file, title }) => !naming.some((each) => each.file === file && each.title === title))
      .map(({ file, title }) => `${row.id}: ${file} has no test of this attack named “${title}”`),
    ...naming
      .filter(({ file, title }) => !listed.has(`${file} ${title}`))
      .map(({ file, title }) => `${row.id}: leaves out ${file} “${title}”`),
  ]
}

/**
 * Faults of the page, one sentence each; none if every attack in the list has a row, every row has tests or a reason,
 * and every test that names an attack is in its row.
 * @param ids the list of attacks; a row with another id is a fault, except for our own series
 * @param missing attacks that need no row yet
 */
export function faultsOf(
  page: string,
  ids: readonly string[],
  titles: AttackTitles,
  missing: readonly string[] = [],
): string[] {
  const rows = rowsIn(page)
  const present = rows.map(({ id }) => id)
  const named = new Set([...titles.values()].flat().flatMap(idsOf))
  return [
    ...twice(present).map((id) => `${id}: has two rows`),
    ...present
      .filter((id) => !ids.includes(id) && !ownSeries.test(id))
      .map((id) => `${id}: is not an attack of the list`),
    ...ids.filter((id) => !present.includes(id) && !missing.includes(id)).map((id) => `${id}: has no row`),
    ...missing.filter((id) => present.includes(id)).map((id) => `${id}: has a row, and is said to be missing`),
    ...missing
      .filter((id) => !ids.includes(id))
      .map((id) => `${id}: is said to be missing, and is not an attack of the list`),
    ...[...named].filter((id) => !present.includes(id)).map((id) => `${id}: is named by a test, and has no row`),
    ...rows.flatMap((row) => faultsOfRow(row, titles)),
  ]
}
