import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  anchorsOf,
  brokenLinks,
  brokenNames,
  docsNamedIn,
  folderFaults,
  frontFaults,
  linksOf,
  tableFaults,
  unreachedPages,
} from './pages.ts'

const root = resolve(import.meta.dirname, '../..')
const listed = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', ...patterns], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '')
const pages = listed('*.md')
/** All but pictures and archives, what programs record, and the examples of faults below. */
const texts = listed().filter(
  (path) => !/\.(?:jpg|png|gz)$|package-lock\.json$/.test(path) && path !== 'test/boundaries/pages.test.ts',
)
const mostPages = 35

describe('pages', () => {
  it('have no link that leads nowhere', () => {
    expect(pages.length).toBeGreaterThan(50)
    expect(brokenLinks(root, pages)).toEqual([])
  })

  it('are there wherever a program, a comment or another page names one', () => {
    expect(texts.flatMap((path) => docsNamedIn(readFileSync(join(root, path), 'utf8'))).length).toBeGreaterThan(200)
    expect(brokenNames(root, texts)).toEqual([])
  })

  it(`are ${mostPages} at most, each in one of the five folders of docs`, () => {
    expect(folderFaults(listed('docs'), mostPages)).toEqual([])
  })

  it('are all reached from the README', () => {
    // For readers elsewhere: issue forms, and what a package shows on its registry.
    const own = pages.filter((page) => !page.startsWith('.github/'))
    expect(unreachedPages(root, own, 'README.md')).toEqual([])
  })
})

/** A reader's goals, with the page for each. */
const goals = {
  'test secure key release in CI': 'docs/tutorials/secure-key-release-in-ci.md',
  'debug a denied policy': 'docs/tutorials/debug-a-denied-policy.md',
  'verify evidence offline': 'docs/tutorials/verify-evidence-offline.md',
  'bring an image': 'docs/tutorials/bring-an-image.md',
  'run it for others': 'docs/tutorials/run-it-for-others.md',
  'practise failures': 'docs/tutorials/fleet-drills.md',
  'what is not protected': 'LIMITATIONS.md',
}

describe('a reader of the README', () => {
  const linked = (page: string): string[] =>
    linksOf(readFileSync(join(root, page), 'utf8')).map((link) => join(dirname(page), link.split('#')[0]!))
  const within = new Set(linked('README.md').flatMap((page) => [page, ...(page.endsWith('.md') ? linked(page) : [])]))

  it.each(Object.entries(goals))('finds in two clicks: %s, %s', (_, page) => {
    expect(within).toContain(page)
  })

  it.each([
    ['README.md', 120],
    ['CHANGELOG.md', 60],
  ])('reads in %s %i lines at most', (page, most) => {
    expect(readFileSync(join(root, page), 'utf8').split('\n').length).toBeLessThanOrEqual(most)
  })
})

const limitations = ['What', 'Effect', 'Way around', 'Planned']

describe('the front', () => {
  const front = readFileSync(join(root, 'README.md'), 'utf8')
  const limits = readFileSync(join(root, 'LIMITATIONS.md'), 'utf8')

  it('is a diagram, a trust report, two commands and five tasks, and nothing else', () => {
    expect(frontFaults(front)).toEqual([])
  })

  it.each([
    ['no diagram', front.replaceAll('──▶', '')],
    ['no trust report', front.replace('Every link holds.', '')],
    ['1 commands', front.replace(/^npm test.*\n/m, '')],
    ['4 tasks, 4 with a link', front.replace(/^- \*\*Debug.*\n/m, '')],
    ['5 tasks, 4 with a link', front.replace(/^- \*\*Debug.*$/m, '- **Debug**')],
    ['further chapter: More', `${front}\n## More\n`],
    ['a table', `${front}\n| a |\n|---|\n`],
  ])('is found with a fault: %s', (fault, page) => {
    expect(frontFaults(page)).toContain(fault)
  })

  it('has its limitations as tables', () => {
    expect(limits.split('\n## ').length).toBeGreaterThan(5)
    expect(tableFaults(limits, limitations)).toEqual([])
  })

  it.each([
    ['Guests: other columns', '## Guests\n\n- Not a table.\n'],
    ['Guests: | a | b |', '## Guests\n\n| What | Effect | Way around | Planned |\n|---|---|---|---|\n| a | b |\n'],
  ])('is found with limitations in another form: %s', (fault, page) => {
    expect(tableFaults(page, limitations)).toContain(fault)
  })
})

describe('the check of pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pages-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const write = (files: Record<string, string>): string[] => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return Object.keys(files)
  }

  it('finds a file and a heading that are not there', () => {
    const found = brokenLinks(
      folder,
      write({
        'README.md':
          '[a](docs/a.md#one-thing) [b](docs/b.md) [c](docs/a.md#gone) [d](https://example.org/x) [e](#top)\n# Top',
        'docs/a.md': '# One `thing`\n[up](../README.md#top) ![p](p.png)',
      }),
    )
    expect(found).toEqual([
      { page: 'README.md', link: 'docs/b.md', why: 'no such file' },
      { page: 'README.md', link: 'docs/a.md#gone', why: 'no such heading' },
      { page: 'docs/a.md', link: 'p.png', why: 'no such file' },
    ])
  })

  it('finds a page, a heading and a note that a program names and that are not there', () => {
    const found = brokenNames(
      folder,
      write({
        'docs/a.md': '# One thing',
        'docs/design/0002-here.md': '# 0002 Here',
        'x.ts': [
          "remedy: 'See docs/a.md#one-thing, docs/a.md#gone and docs/b.md.'",
          "join(here, '../../docs/c.md') // design 0001, design/0002-here.md",
          'https://example.org/docs/d.md MicrosoftDocs-azure-docs/e.md test/docs/f.ts',
        ].join('\n'),
      }),
    )
    expect(found.map(({ link, why }) => `${link}: ${why}`)).toEqual([
      'docs/a.md#gone: no such heading',
      'docs/b.md: no such file',
      'docs/c.md: no such file',
      '0001: no such file',
    ])
  })

  it('finds a file in none of the folders, and a page too many', () => {
    const right = ['docs/README.md', 'docs/guides/a.md', 'docs/design/0001-a.md', 'docs/reference/wires/README.md']
    expect(folderFaults(['README.md', 'docs/guides/a/b.jpg', ...right], 2)).toEqual([])
    const astray = ['docs/flat.md', 'docs/guides/in/b.md', 'docs/other/c.md', 'docs/other/d.jpg']
    expect(folderFaults([...right, ...astray], 4)).toEqual([...astray, '5 pages'])
  })

  it('finds a page that nothing links to, also where it links to itself or to others', () => {
    const all = write({
      'README.md': '[a](a.md) [folder](design/)',
      'a.md': '[b](sub/b.md)',
      'sub/b.md': '',
      'design/0001.md': '',
      'lost.md': '[lost](lost.md) [a](a.md)',
    })
    expect(unreachedPages(folder, all, 'README.md')).toEqual(['lost.md'])
  })

  it('reads links as pages are shown: none in code, pictures in HTML too', () => {
    const text = '```\n[x](gone.md)\n```\n`[y](gone.md)` <img src="p.jpg"> [z](z.md "title")\n\n[ref]: r.md'
    expect(linksOf(text)).toEqual(['z.md', 'p.jpg', 'r.md'])
  })

  it('makes anchors as GitHub does', () => {
    expect([
      ...anchorsOf("# What's next?\n## `vm create --zone`\n## A – B\n## A – B\n```\n# no heading\n```\n"),
    ]).toEqual(['whats-next', 'vm-create---zone', 'a--b', 'a--b-1'])
  })
})
