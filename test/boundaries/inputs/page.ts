// Writes docs/proof/inputs.md from the inventory beside this file: npm run docs:inputs
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { anchorsOf } from '../pages.ts'
import { rowsIn } from '../attack-page.ts'
import type { Fate, Row, Section } from './row.ts'
import { events } from './rows/events.ts'
import { agentLines, endpointRoutes, guestNetwork, instanceMembers, listeners } from './rows/guest.ts'
import { guestFiles } from './rows/guest-files.ts'
import { acpiTables, devices, firmwareFiles, qemuArguments, smbios, uefiVariables } from './rows/machine.ts'
import { openedInGuest } from './rows/opened.ts'
import { evidence, managerAnswers, verifierEnvironment, verifierFiles, verifierRecords } from './rows/verifier.ts'

const root = resolve(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Compared by test/system/inputs.slow.test.ts with a booted guest. */
export const bootedSections: readonly Section[] = [devices, uefiVariables, listeners, openedInGuest, verifierFiles]
/** Compared by inputs.test.ts. */
export const sections: readonly Section[] = [
  qemuArguments,
  devices,
  firmwareFiles,
  acpiTables,
  smbios,
  uefiVariables,
  agentLines,
  endpointRoutes,
  instanceMembers,
  guestNetwork,
  listeners,
  guestFiles,
  openedInGuest,
  evidence,
  managerAnswers,
  verifierRecords,
  verifierFiles,
  verifierEnvironment,
  events,
]
/** Compared by inputs.test.ts. */
export const unitSections: readonly Section[] = sections.filter((section) => !bootedSections.includes(section))

interface Limitation {
  start: string
  anchor: string
}

/** Rows of LIMITATIONS.md: the first cell, and the heading above it. */
function limitations(): Limitation[] {
  let heading = ''
  return read('LIMITATIONS.md')
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('## ')) heading = line.slice(3)
      const [, start = ''] = /^\| (.+?) \|/.exec(line) ?? []
      return start === '' || start === 'What' ? [] : [{ start, anchor: [...anchorsOf(`## ${heading}\n`)][0]! }]
    })
}

const drillSources = [
  'boot-files',
  'console',
  'credentials',
  'devices',
  'disk-header',
  'guest-state',
  'metadata',
  'partitions',
  'replays',
]

/** What is wrong with what a row names: a test, an attack, a link or a limitation that does not exist. */
export function faultsOfRow(row: Row): string[] {
  const about = row.inputs[0] ?? 'a row without inputs'
  if (row.inputs.length === 0) return [about]
  if (row.fate === 'unprotected') {
    const found = limitations().filter(({ start }) => start.startsWith(row.by))
    return found.length === 1 ? [] : [`${about}: LIMITATIONS.md has ${found.length} rows “${row.by}”`]
  }
  const link = row.link === undefined || links().includes(row.link) ? [] : [`${about}: no link ${row.link}`]
  if (row.shown.length === 0) return [...link, `${about}: nothing shows it`]
  return [...link, ...row.shown.filter((shown) => !isThere(shown)).map((shown) => `${about}: there is no ${shown}`)]
}

/** Of the trust report. */
function links(): string[] {
  return [...read('packages/trust/src/report.ts').matchAll(/judge\(\s*'([a-z-]+)'/g)].map(([, id]) => id!)
}

function isThere(shown: string): boolean {
  if (/^[A-Z]\d+$/.test(shown))
    return rowsIn(read('docs/proof/attacks.md')).some(({ id, tests }) => id === shown && tests.length > 0)
  if (/^[A-Z]\d+\/[a-z-]+$/.test(shown))
    return drillSources.some((name) => read(`apps/cli/src/drill/attacks/${name}.ts`).includes(`id: '${shown}'`))
  const [, file = '', title = ''] = /^(\S+\.test\.ts): (.+)$/.exec(shown) ?? []
  try {
    return title !== '' && ["'", '`', '"'].some((quote) => read(file).includes(quote + title + quote))
  } catch {
    return false
  }
}

const fates: Record<Fate, string> = {
  measured: 'Measured and compared',
  authenticated: 'Authenticated',
  ignored: 'Ignored',
  unprotected: 'Unprotected',
}

const code = (input: string): string => `\`${input.replaceAll('|', '\\|')}\``

function rendered(row: Row): string {
  const { fate, by, link } = row
  const how = link === undefined ? by : `${by} (link ${code(link)})`
  const cells = [row.inputs.map(code).join(', '), fates[fate], fate === 'unprotected' ? limited(by) : how]
  return `| ${cells.join(' | ')} | ${row.shown.map(cited).join('; ')} |`
}

function limited(by: string): string {
  const found = limitations().find(({ start }) => start.startsWith(by))
  return found === undefined ? by : `[${by} …](../../LIMITATIONS.md#${found.anchor})`
}

function cited(shown: string): string {
  if (/^[A-Z]\d+$/.test(shown)) return `[${shown}](attacks.md)`
  if (!shown.includes(': ')) return `[${code(shown)}](testing.md#the-drill-be-your-own-malicious-host)`
  const at = shown.indexOf(': ')
  return `${code(shown.slice(0, at))}: “${shown.slice(at + 2)}”`
}

export const inputsPagePath: string = join(root, 'docs/proof/inputs.md')

export function inputsPage(): string {
  return [
    '# What the host chooses',
    '',
    'Each input that a host gives to a guest or to a verifier, and what becomes of it. `npm run docs:inputs` makes this page of the',
    'tables in `test/boundaries/inputs/rows`; tests compare them with what there is: `test/boundaries/inputs/inputs.test.ts` with',
    'arguments, wires, sources and the installed QEMU, `test/system/inputs.slow.test.ts` with a booted VM. An input without a row',
    'fails, and so does a row without its input, or one that names a test, an attack, a link or a limitation that does not exist.',
    '',
    '| | |',
    '|---|---|',
    '| Measured and compared | by a register or claim, in a link of the [trust report](../explanation/trust-report.md) |',
    '| Authenticated | by a key that the host does not have |',
    '| Ignored | whatever it is changes nothing; an attack or a test shows it |',
    '| Unprotected | [LIMITATIONS.md](../../LIMITATIONS.md) says so |',
    '',
    'This holds on genuine silicon with a measured paravisor. Where both are simulated, they are programs of the host, which reads and',
    'writes the guest’s memory and its vTPM ([LIMITATIONS.md](../../LIMITATIONS.md#simulated-mode)).',
    '',
    ...sections.flatMap(({ title, about, rows }) => [
      `## ${title}`,
      '',
      about,
      '',
      '| Input | What becomes of it | By | Shown by |',
      '|---|---|---|---|',
      ...rows.map(rendered),
      '',
    ]),
  ].join('\n')
}

if (import.meta.main) writeFileSync(inputsPagePath, inputsPage())
