import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export interface BrokenLink {
  page: string
  link: string
  why: 'no such file' | 'no such heading'
}

/** Text without fenced blocks and code spans, whose links are shown but not followed. */
const prose = (text: string): string =>
  text
    .replaceAll(/^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1[^\n]*$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '))

/** Targets of a page's links and images, as written. */
export function linksOf(text: string): string[] {
  const inline = [...prose(text).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)]
  const html = [...prose(text).matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)]
  const references = [...prose(text).matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)]
  return [...inline, ...html, ...references].map((match) => match[1]!)
}

/**
 * Anchors of a page's headings, as GitHub creates them: letters, digits, hyphens and underscores, in lower case; a
 * second one of a name ends in -1.
 */
export function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>()
  const found = new Set<string>()
  for (const [, heading] of text
    .replaceAll(/^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1[^\n]*$/gm, '')
    .matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    found.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return found
}

const isOutside = (link: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(link)

/** Broken links in these pages. @param pages paths from the root */
export function brokenLinks(root: string, pages: readonly string[]): BrokenLink[] {
  const anchors = new Map<string, Set<string>>()
  const anchorsIn = (path: string): Set<string> => {
    const known = anchors.get(path) ?? anchorsOf(readFileSync(path, 'utf8'))
    anchors.set(path, known)
    return known
  }
  return pages.flatMap((page) => {
    const path = join(root, page)
    return linksOf(readFileSync(path, 'utf8'))
      .filter((link) => !isOutside(link))
      .flatMap((link): BrokenLink[] => {
        const [file = '', anchor] = link.split('#')
        const target = file === '' ? path : resolve(dirname(path), decodeURIComponent(file))
        if (!existsSync(target)) return [{ page, link, why: 'no such file' }]
        if (anchor === undefined || !target.endsWith('.md') || statSync(target).isDirectory()) return []
        return anchorsIn(target).has(decodeURIComponent(anchor)) ? [] : [{ page, link, why: 'no such heading' }]
      })
  })
}

/** Of QEMU's own sources. */
const elsewhere = ['docs/interop/qcow2.txt', 'docs/specs/fw_cfg.rst']

/** Paths below docs that a text names, with their anchors, as comments, remedies and prose do. */
export const docsNamedIn = (text: string): string[] =>
  [...text.matchAll(/(?<![\w/-]|\.\/)(?:\.\.\/)*(docs\/[\w./-]*\w(?:#[a-z0-9_-]+)?)/g)]
    .map(([, path]) => path!)
    .filter((path) => !elsewhere.includes(path))

/** Numbers of design notes that a text names: `design 0016`, `design/0016-shapes.md`. */
const notesNamedIn = (text: string): string[] =>
  [...text.matchAll(/\bdesign[ /](\d{4})\b/g)].map(([, number]) => number!)

/** What files of any kind name below docs and is not there. @param files paths from the root */
export function brokenNames(root: string, files: readonly string[]): BrokenLink[] {
  const notes = existsSync(join(root, 'docs/design')) ? readdirSync(join(root, 'docs/design')) : []
  const isNote = (number: string): boolean => notes.some((name) => name.startsWith(`${number}-`))
  return files.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8')
    const named = docsNamedIn(text).flatMap((link): BrokenLink[] => {
      const [file = '', anchor] = link.split('#')
      if (/^docs\/design\/\d{4}$/.test(file)) return []
      if (!existsSync(join(root, file))) return [{ page, link, why: 'no such file' }]
      if (anchor === undefined || !file.endsWith('.md')) return []
      return anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor)
        ? []
        : [{ page, link, why: 'no such heading' }]
    })
    const unknown = notesNamedIn(text).filter((number) => !isNote(number))
    return [...named, ...unknown.map((link): BrokenLink => ({ page, link, why: 'no such file' }))]
  })
}

/** Folders of docs: lessons, how to, how it works, what there is, what shows it. */
const folders = ['tutorials', 'guides', 'explanation', 'reference', 'proof']
/** Notes of decisions, and what `npm run docs:wires` writes. */
const apart = ['docs/design/', 'docs/reference/wires/']

/**
 * Files of docs that lie in none of its folders, pages in a folder below, and how many pages there are beyond `most`.
 * @param files paths from the root
 */
export function folderFaults(files: readonly string[], most: number): string[] {
  const within = files.filter((file) => file.startsWith('docs/') && !apart.some((folder) => file.startsWith(folder)))
  const pages = within.filter((file) => file.endsWith('.md'))
  const astray = within.filter((file) => {
    const [, folder = '', ...rest] = file.split('/')
    const isDeep = pages.includes(file) && rest.length > 1
    return file !== 'docs/README.md' && (!folders.includes(folder) || isDeep)
  })
  return [...astray, ...(pages.length > most ? [`${pages.length} pages`] : [])]
}

/** Pages that no chain of links from `start` reaches. A link to a folder reaches its README.md, or all pages in it if it has none. */
export function unreachedPages(root: string, pages: readonly string[], start: string): string[] {
  const all = new Set(pages)
  const seen = new Set<string>()
  const waiting = [start]
  for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
    if (seen.has(page) || !all.has(page)) continue
    seen.add(page)
    for (const link of linksOf(readFileSync(join(root, page), 'utf8')).filter((each) => !isOutside(each))) {
      const target = relative(root, resolve(root, dirname(page), decodeURIComponent(link.split('#')[0]!)))
      const readme = join(target, 'README.md')
      if (all.has(readme)) waiting.push(readme)
      else waiting.push(...pages.filter((each) => each === target || dirname(each) === target))
    }
  }
  return pages.filter((page) => !seen.has(page))
}

/** What a front page has beyond its parts, or lacks: a diagram, a report, a block of two commands, five tasks with links. */
export function frontFaults(page: string): string[] {
  const blocks = [...page.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, text]) => text!)
  const prose = page.replaceAll(/^```[\s\S]*?^```$/gm, '')
  const commands = blocks.find((text) => /^npm /m.test(text))?.match(/^npm /gm)?.length ?? 0
  const tasks = [...prose.matchAll(/^- .*/gm)]
  const linked = tasks.filter(([task]) => /\]\([^)]+\.md\)/.test(task))
  return [
    ...(blocks.length === 3 ? [] : [`${blocks.length} blocks`]),
    ...(blocks.some((text) => text.includes('──▶')) ? [] : ['no diagram']),
    ...(blocks.some((text) => /^Trust report of [\s\S]*^Every link holds\.$/m.test(text)) ? [] : ['no trust report']),
    ...(commands === 2 ? [] : [`${commands} commands`]),
    ...(tasks.length === 5 && linked.length === 5 ? [] : [`${tasks.length} tasks, ${linked.length} with a link`]),
    ...[...prose.matchAll(/^## (.*)/gm)].slice(2).map(([, heading]) => `further chapter: ${heading}`),
    ...(/^\|/m.test(prose) ? ['a table'] : []),
  ]
}

/** Chapters of a page that are not one table with these columns, and rows with other than as many cells. */
export function tableFaults(page: string, columns: readonly string[]): string[] {
  return page
    .split(/^## /m)
    .slice(1)
    .flatMap((chapter) => {
      const [heading, ...lines] = chapter.trim().split('\n')
      const [head, , ...rows] = lines.filter((line) => line !== '')
      const cells = (line: string): number =>
        line
          .replaceAll('\\|', '')
          .replaceAll(/`[^`]*`/g, '')
          .split('|').length - 2
      return [
        ...(head === `| ${columns.join(' | ')} |` && rows.length > 0 ? [] : [`${heading}: other columns`]),
        ...rows.filter((row) => cells(row) !== columns.length).map((row) => `${heading}: ${row.slice(0, 40)}`),
      ]
    })
}
