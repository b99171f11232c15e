import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { mcpPackages } from './mcp.ts'

const root = resolve(import.meta.dirname, '../../..')
export const recordsPath: string = join(root, 'test/clients/works-with.json')
export const compatibilityPath: string = join(root, 'docs/reference/compatibility.md')

/** A client test's last complete run with another result, or another version, than the one before. */
export interface RunRecord {
  title: string
  /** Name and version of each program or library that ran; empty if requests are replayed. */
  clients: Record<string, string>
  /** SHA-256 of its part of docs/reference/compatibility.md. */
  part: string
  /** Day, UTC. */
  on: string
}

export type Records = Record<string, RunRecord>

export const digestOf = (part: string): string => createHash('sha256').update(part).digest('hex')

export const readRecords = (): Records => JSON.parse(readFileSync(recordsPath, 'utf8')) as Records

/** The records including a run's, which keeps its date if nothing is new. */
export function withRun(records: Records, client: string, run: Omit<RunRecord, 'on'>): Records {
  const { on, ...before } = records[client] ?? { on: '' }
  const same = JSON.stringify(before) === JSON.stringify(run)
  const kept = same ? on : new Date().toISOString().slice(0, 10)
  return { ...records, [client]: { ...run, on: kept } }
}

/** Programs of SDK calls, by their test. */
const programs: Record<string, string[]> = {
  sdk: ['sdk.ts', 'sdk-calls.ts', 'sdk-kept-calls.ts', 'sdk-vm-calls.ts'],
  'az-public-names': ['public-names-calls.ts'],
}

/** Versions used by a client's test: Debian packages as installed, npm's as locked, or as the test installs them. */
export function versionsOf(client: string): Record<string, string> {
  if (client === 'azure-mcp') return mcpPackages
  const debian = client === 'python-keyvault' ? ['python3-azure'] : /^az(-|$)/.test(client) ? ['azure-cli'] : []
  return Object.fromEntries([...debian.map((name) => [name, installed(name)] as const), ...lockedOf(client)])
}

function installed(name: string): string {
  try {
    return execFileSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8' })
  } catch {
    return '(not by a Debian package)'
  }
}

/** Azure SDKs imported by the programs, with the versions of package-lock.json. */
export function lockedOf(client: string): [name: string, version: string][] {
  const sources = (programs[client] ?? []).map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
  const names = new Set(
    sources.flatMap((text) => [...text.matchAll(/from '(@azure\/[a-z-]+)'/g)].map(([, name]) => name!)),
  )
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>
  }
  return [...names].toSorted().map((name) => [name, packages[`node_modules/${name}`]!.version])
}

/** The line that runs a client's test. */
export function commandOf(client: string): string {
  const slower = ['slow', 'long'].find((kind) => existsSync(join(root, `test/clients/${client}.${kind}.test.ts`)))
  const file = `test/clients/${client}${slower === undefined ? '' : `.${slower}`}.test.ts`
  return `npx vitest run --project ${slower ?? 'clients'} ${file}`
}

/** Its chapter of docs/reference/compatibility.md. */
function renderWorksWith(records: Records): string {
  const rows = Object.entries(records).map(([client, { title, clients, on }]) => {
    const versions = Object.entries(clients).map(([name, version]) => `${name} ${version}`)
    return `| ${title} | ${versions.join(', ') || 'requests, replayed'} | ${on} | \`${commandOf(client)}\` |`
  })
  return [
    '## Works with',
    '',
    'Stock clients that were run against Strongroom, unmodified, by the tests that write this page (`npm run ' +
      'works-with` writes this table from their records, `test/clients/works-with.json`).',
    'The day is that of the first run with these versions and these answers; for each change the workflow runs all of ' +
      'them, and `.ci/run` half of those of `--project slow`.',
    '',
    '| What | Client and version | Since | By |',
    '|---|---|---|---|',
    ...rows,
    '',
    "Not run: Ansible's `azure.azcollection`. Debian has the collection and lacks Python libraries that each of " +
      'its modules imports ([azure-clients.md](../guides/azure-clients.md#ansible)); npm has neither.',
  ].join('\n')
}

/** Where the chapter begins and ends. */
export const worksWithMarks: readonly [string, string] = [
  '<!-- works with: written from the records of the tests -->',
  '<!-- end of works with -->',
]

/** The page with its chapter as the records have it. */
export function withWorksWith(page: string, records: Records): string {
  const [begin, end] = worksWithMarks
  const [head, tail] = [page.split(begin)[0]!, page.split(end)[1]!]
  return `${head}${begin}\n\n${renderWorksWith(records)}\n\n${end}${tail}`
}
