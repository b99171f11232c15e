import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type AttackTitles, faultsOf, idsIn, rowsIn, titlesIn } from './attack-page.ts'
import { resultOf } from './attack-results.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const page = read('docs/proof/attacks.md')
/** Copy of the ids of ../shared/facts/attacks.md, for machines that do not have it. */
const ids = idsIn(read('test/boundaries/attack-ids.txt'))
const source = resolve(root, '../shared/facts/attacks.md')

/** Listed attacks that have no row yet. */
const missing: string[] = []

const own = 'test/boundaries/attacks.test.ts'
const files = execFileSync('git', ['ls-files', '*.test.ts'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
const titles: AttackTitles = new Map(files.filter((file) => file !== own).map((file) => [file, titlesIn(read(file))]))

describe('the list of attacks', () => {
  it.skipIf(!existsSync(source))('is the whole of ../shared/facts/attacks.md', () => {
    expect(ids).toEqual(idsIn(readFileSync(source, 'utf8')))
  })

  it('has 83 attacks', () => {
    expect(new Set(ids).size).toBe(83)
  })
})

describe('docs/proof/attacks.md', () => {
  it('has a row for each attack, and in it the tests that try it', () => {
    expect(faultsOf(page, ids, titles, missing)).toEqual([])
  })
})

describe('what came of the named tests', () => {
  it('is got by the command that the page names', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    expect(page).toContain('npm run attacks -- ')
    expect(scripts['attacks']).toContain('test/boundaries/attack-results.ts')
  })

  it('is counted from a run, with what was skipped and what was not run', () => {
    const [row] = rowsIn(
      '| S1 | What. | Answer. | `a.test.ts`: “%s is (a) b (attack S1)”; `b.test.ts`: “c (attack S1)” |',
    )
    const assertionResults = [
      { title: 'x is (a) b (attack S1)', status: 'passed' },
      { title: 'y is (a) b (attack S1)', status: 'failed' },
      { title: 'z is (a) b (attack S1)', status: 'skipped' },
      { title: 'another (attack S1)', status: 'passed' },
    ]
    expect(resultOf(row!, { testResults: [{ name: '/r/a.test.ts', assertionResults }] }, '/r')).toEqual({
      id: 'S1',
      held: 1,
      failed: 1,
      skipped: 1,
      'not run': 1,
    })
  })
})

describe('a page, a list or a test at fault', () => {
  const file = 'packages/a/src/a.test.ts'
  const row = (id: string, title: string): string => `| ${id} | What. | Answer. | \`${file}\`: “${title}” |`
  const good = `${row('S1', 'refuses (attack S1)')}\n${row('T1', 'refuses too (attack T1)')}`
  const list = ['S1', 'T1']
  const titled = (...more: string[]): AttackTitles =>
    new Map([[file, ['refuses (attack S1)', 'refuses too (attack T1)', ...more]]])
  const reason = `it needs ${'a part that is not there, '.repeat(4)}`

  it('is told from one without a fault', () => {
    expect(faultsOf(good, list, titled())).toEqual([])
  })

  it.each([
    [
      'a row of an unknown id',
      `${good}\n${row('S2', 'refuses (attack S2)')}`,
      titled('refuses (attack S2)'),
      'S2: is not an attack of the list',
    ],
    ['a test of an unknown id', good, titled('refuses (attack S2)'), 'S2: is named by a test, and has no row'],
    [
      'a test of our own series without its row',
      good,
      titled('refuses (attack H1)'),
      'H1: is named by a test, and has no row',
    ],
    [
      'a row of our own series without its test',
      `${good}\n${row('W1', 'x (attack W1)')}`,
      titled(),
      `W1: ${file} has no test of this attack named “x (attack W1)”`,
    ],
    [
      'an attack without a row',
      row('S1', 'refuses (attack S1)'),
      new Map([[file, ['refuses (attack S1)']]]),
      'T1: has no row',
    ],
    [
      'a row without a test',
      good.replace(/`packages.*?\| *\n/s, '|\n'),
      new Map([[file, ['refuses too (attack T1)']]]),
      'S1: names no test',
    ],
    [
      'a row that names a test that is not there',
      good,
      new Map([[file, ['refuses too (attack T1)']]]),
      `S1: ${file} has no test of this attack named “refuses (attack S1)”`,
    ],
    [
      'a row that names a test of another attack',
      good.replace('refuses (attack S1)', 'refuses too (attack T1)'),
      new Map([[file, ['refuses too (attack T1)']]]),
      `S1: ${file} has no test of this attack named “refuses too (attack T1)”`,
    ],
    ['a row that leaves a test out', good, titled('sees (attack S1)'), `S1: leaves out ${file} “sees (attack S1)”`],
    ['a row twice', `${good}\n${row('S1', 'refuses (attack S1)')}`, titled(), 'S1: has two rows'],
    [
      'a reason beside a test',
      good.replace(/\| `.*?\n/s, `| Not applicable: ${reason} |\n`),
      titled(),
      'S1: is tested, and said not to apply',
    ],
    [
      'a reason that is none',
      good.replace(/\| `.*?\n/s, '| Not applicable: too hard. |\n'),
      new Map([[file, ['refuses too (attack T1)']]]),
      'S1: the reason why it does not apply is too short',
    ],
  ] as const)('is found: %s', (_, planted, tests, fault) => {
    expect(faultsOf(planted, list, tests)).toEqual([fault])
  })

  it('is found: an attack that has its row and is still said to be missing, or is none of the list', () => {
    expect(faultsOf(good, list, titled(), ['T1', 'T2'])).toEqual([
      'T1: has a row, and is said to be missing',
      'T2: is said to be missing, and is not an attack of the list',
    ])
  })

  it('is found: a copy of the list that was cut to what there is', () => {
    const facts = '| S1 | Forged root | x | y |\n| T1 | Debug | x | y |'
    expect(idsIn('S1 forged root\nT1 debug')).toEqual(idsIn(facts))
    expect(idsIn('S1 forged root')).not.toEqual(idsIn(facts))
  })

  it('may be an attack that cannot apply, with its reason', () => {
    const without = good.replace(/\| `.*?\n/s, `| Not applicable: ${reason} |\n`)
    expect(faultsOf(without, list, new Map([[file, ['refuses too (attack T1)']]]))).toEqual([])
  })

  it('counts no title in a comment or a list for a test', () => {
    expect(
      titlesIn("// like 'a (attack S1)'\nit('b (attack S1)', () => {})\nit.each(x)(\n  'c (attacks S1, T1)',\n"),
    ).toEqual(['b (attack S1)', 'c (attacks S1, T1)'])
  })
})
