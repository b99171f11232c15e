import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const packages = resolve(import.meta.dirname, '../packages')

/** Packages whose reference is generated from their docstrings. */
const documented = ['evidence', 'policy', 'release-policy', 'transparency', 'trust'] as const

/** A public import specifier, and the source behind it. */
export interface Entry {
  /** `@strongroom/evidence/files` */
  specifier: string
  source: string
}

/** Entries in a package's manifest. */
export function entriesOf(folder: string): Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    exports: Record<string, { 'x-source': string }>
  }
  return Object.entries(exports).map(([path, { 'x-source': source }]) => ({
    specifier: `${name}${path.slice(1)}`,
    source: join(folder, source),
  }))
}

export const documentedEntries = (): Entry[] => documented.flatMap((name) => entriesOf(join(packages, name)))

/** Where an export is declared, and the docstring above it. */
export interface Declared {
  name: string
  file: string
  /** Without its stars; empty if there is none. */
  docstring: string
}

const declaration = (name: string): RegExp =>
  new RegExp(`^export (?:async |abstract |declare )*(?:function\\*?|const|let|class|enum) ${name}\\b`, 'm')

/** Text of the comment that ends where a declaration begins. */
function docstringBefore(text: string, start: number): string {
  const before = text.slice(0, start).trimEnd()
  const opened = before.lastIndexOf('/**')
  if (!before.endsWith('*/') || opened === -1 || before.indexOf('*/', opened) !== before.length - 2) return ''
  return before
    .slice(opened + 3, -2)
    .replaceAll(/^[ \t]*\* ?/gm, '')
    .trim()
}

/** Names that an export line re-exports from another module: `[ours, theirs]`; types separately. */
const passedOn = (list: string): [string, string][] =>
  list
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('type '))
    .map((each) => {
      const [theirs = '', ours = theirs] = each.split(' as ')
      return [ours, theirs]
    })

/**
 * Follows an export of an entry to its declaration.
 * @returns undefined if no module that the entry names declares it
 */
export function findExport(name: string, file: string): Declared | undefined {
  const text = readFileSync(file, 'utf8')
  const found = declaration(name).exec(text)
  if (found !== null) return { name, file, docstring: docstringBefore(text, found.index) }
  const moduleOf = (specifier: string): string =>
    specifier.startsWith('.') ? join(dirname(file), specifier) : sourceOf(specifier)
  for (const [, list, specifier] of text.matchAll(/^export \{([^}]*)\} from '([^']+)'/gm)) {
    const theirs = passedOn(list!).find(([ours]) => ours === name)?.[1]
    if (theirs !== undefined) return findExport(theirs, moduleOf(specifier!))
  }
  for (const [, specifier] of text.matchAll(/^export \* from '([^']+)'/gm)) {
    const all = findExport(name, moduleOf(specifier!))
    if (all !== undefined) return all
  }
  return undefined
}

function sourceOf(specifier: string): string {
  const [, folder = ''] = /^@strongroom\/([^/]+)/.exec(specifier) ?? []
  const entry = existsSync(join(packages, folder))
    ? entriesOf(join(packages, folder)).find((each) => each.specifier === specifier)
    : undefined
  if (entry === undefined) throw new Error(`${specifier} is not a package of this repository`)
  return entry.source
}
