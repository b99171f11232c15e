import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Paths named in a CODEOWNERS file, except the one for all. */
const ownedPaths = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/\s+/)[0]!)
    .filter((path) => path !== '*')

/** Listed paths that do not exist, and rooms that none covers. */
function ownershipFaults(paths: readonly string[], rooms: readonly string[]): string[] {
  const gone = paths.filter((path) => !existsSync(join(root, path)))
  const free = rooms.filter((room) => !paths.some((path) => `/${room}/`.startsWith(path)))
  return [...gone, ...free]
}

/** Notes that the index omits or gives another title. */
const unlisted = (index: string, notes: ReadonlyMap<string, string>): string[] =>
  [...notes].filter(([file, title]) => !index.includes(`](${file}) | ${title} |`)).map(([file]) => file)

describe('CODEOWNERS', () => {
  const rooms = ['packages', 'services'].flatMap((above) =>
    readdirSync(join(root, above)).map((name) => `${above}/${name}`),
  )

  it('names paths that are there, and somebody for each package and service', () => {
    expect(ownershipFaults(ownedPaths(read('.github/CODEOWNERS')), rooms)).toEqual([])
  })

  it('that forgets a room, or names one that is gone, is found', () => {
    expect(ownershipFaults(['/packages/gone/', '/services/'], ['packages/evidence', 'services/vault'])).toEqual([
      '/packages/gone/',
      'packages/evidence',
    ])
  })
})

describe('npm run docs:check', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const clauses = ['pages', 'style', 'errors', 'wires', 'commands-page', 'habits'].map(
    (name) => `test/boundaries/${name}.test.ts`,
  )

  it('runs every clause, in the project that has these tests', () => {
    const line = scripts['docs:check']!
    const project = /--project (\S+)/.exec(read('scripts/check.sh'))![1]!
    expect(line.split(' ')).toEqual([
      'vitest',
      'run',
      '--project',
      project,
      ...clauses,
      'test/packages/examples.test.ts',
    ])
    expect(clauses.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })
})

describe('issue forms', () => {
  const folder = '.github/ISSUE_TEMPLATE'
  const forms = readdirSync(join(root, folder)).filter((name) => name !== 'config.yml')

  /** Ids in a form; undefined for a part without one. */
  const askedIn = (form: string): (string | undefined)[] =>
    form
      .split(/^ {2}- type: /m)
      .slice(1)
      .filter((part) => !part.startsWith('markdown'))
      .map((part) => /^ {4}id: (\w+)$/m.exec(part)?.[1])

  it.each(forms)('%s has a name and asks for something, each part by an id of its own', (name) => {
    const form = read(join(folder, name))
    expect(form).toMatch(/^name: .+\ndescription: .+\n/)
    const asked = askedIn(form)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked).not.toContain(undefined)
    expect(new Set(asked).size).toBe(asked.length)
  })
})

describe('SECURITY.md', () => {
  /** Fields of a page's form: a block of `Field: what to say`. */
  const fields = (page: string): string[] =>
    [...(/^```\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '').matchAll(/^(\w+): +\S/gm)].map(([, field]) => field!)

  it('has a contact form, to which the issue forms refer', () => {
    expect(fields(read('SECURITY.md'))).toEqual([
      'Attacker',
      'Broken',
      'Version',
      'Mode',
      'Steps',
      'Effect',
      'Disclosure',
    ])
    expect(read('.github/ISSUE_TEMPLATE/config.yml')).toContain('SECURITY.md')
    expect(read('.github/ISSUE_TEMPLATE/evidence.yml')).toContain('SECURITY.md')
  })

  it('without a form is found', () => {
    expect(fields('Report it privately.')).toEqual([])
  })
})

describe('the index of design notes', () => {
  const notes = new Map(
    readdirSync(join(root, 'docs/design'))
      .filter((name) => /^\d{4}-/.test(name))
      .map((name) => [name, (/^# \d{4}:? (.*)$/m.exec(read(`docs/design/${name}`)) ?? [])[1] ?? '']),
  )

  it('has each note by its title', () => {
    expect(notes.size).toBeGreaterThan(16)
    expect(unlisted(read('docs/design/README.md'), notes)).toEqual([])
  })

  it('that misses one, or has an old title, is found', () => {
    const index = '| [0001](0001-a.md) | A |\n| [0002](0002-b.md) | Before |'
    const found = unlisted(
      index,
      new Map([
        ['0001-a.md', 'A'],
        ['0002-b.md', 'B'],
        ['0003-c.md', 'C'],
      ]),
    )
    expect(found).toEqual(['0002-b.md', '0003-c.md'])
  })
})
