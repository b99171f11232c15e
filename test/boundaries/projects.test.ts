import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, matchesGlob, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import config from '../../vitest.config.ts'
import { secondsOf, shards } from '../sequencer.ts'
import { titlesIn } from './attack-page.ts'

const root = resolve(import.meta.dirname, '../..')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.test.ts'], {
  cwd: root,
})
  .toString()
  .trim()
  .split('\n')

interface Project {
  test: { name: string; include: string[]; exclude?: string[] }
}
const projects = (config.test?.projects ?? []) as Project[]

const projectsOf = (file: string): string[] =>
  projects
    .map(({ test }) => test)
    .filter(({ include, exclude = [] }) => {
      const among = (globs: string[]): boolean => globs.some((glob) => matchesGlob(file, glob))
      return among(include) && !among(exclude)
    })
    .map(({ name }) => name)

/**
 * Attack tests that `npm test` omits: a container must be built first; the drill repeats all attacks of the host
 * through the user's command; what `npm test` tries with the paravisor, its TPM, the initrd and answers to challenges is
 * tried again in some 25 boots.
 */
const attacksElsewhere = [
  'services/host/src/image/published-measurements.slow.test.ts',
  'test/fleet/rbd.long.test.ts',
  'test/packages/testcontainers.slow.test.ts',
  'test/system/backup.long.test.ts',
  'test/system/drill.long.test.ts',
  'test/system/firmware.long.test.ts',
  'test/system/guest-health.slow.test.ts',
  'test/system/installation-backup.slow.test.ts',
  'test/system/kernel-update.long.test.ts',
  'test/system/minimal.slow.test.ts',
  'test/system/rekey.long.test.ts',
  'test/system/secure-boot-variables.long.test.ts',
]

/** Attack tests omitted by `npm test`. */
const leftOut = (file: string, source: string): boolean =>
  /\.(slow|long)\.test\.ts$/.test(file) && titlesIn(source).length > 0

/** A replaced module stays replaced for every file of a worker. */
const takesTheProcess = (source: string): boolean => /\bvi\.(mock|doMock)\(/.test(source)

describe('test files', () => {
  it('are each run by one project', () => {
    const wrong = files.map((file) => ({ file, by: projectsOf(file) })).filter(({ by }) => by.length !== 1)
    expect(wrong).toEqual([])
    expect(projectsOf('test/elsewhere/a.test.ts')).toEqual([])
    expect(projectsOf('services/vault/src/a.slow.test.ts')).toEqual(['slow'])
  })

  it('that put a module in place of another have a process of their own', () => {
    const mocking = files.filter((file) => takesTheProcess(readFileSync(join(root, file), 'utf8')))
    expect(mocking.length).toBeGreaterThan(1)
    expect(mocking.filter((file) => projectsOf(file).join() === 'unit-shared')).toEqual([])
    expect(takesTheProcess(['vi', "mock('./a.ts')"].join('.'))).toBe(true)
    expect(projectsOf('packages/platform/src/a.test.ts')).toEqual(['unit-shared'])
  })

  it('that try an attack are run by npm test, but for what is listed', () => {
    expect(files.filter((file) => leftOut(file, readFileSync(join(root, file), 'utf8')))).toEqual(attacksElsewhere)
    const word = 'attack'
    expect(leftOut('test/system/a.slow.test.ts', `it('refuses (${word} S1)', () => {})`)).toBe(true)
  })

  it('that are slow are in one of the halves each, which take about as long as each other', () => {
    const slow = files.filter((file) => projectsOf(file).join() === 'slow')
    const halves = shards(slow, 2)
    expect(halves.flat().toSorted()).toEqual(slow.toSorted())
    const [first, second] = halves.map((half) => half.reduce((sum, file) => sum + secondsOf(file), 0))
    expect(Math.abs(first! - second!)).toBeLessThan((first! + second!) / 50)
    const timed = JSON.parse(readFileSync(join(root, 'test/slow-seconds.json'), 'utf8')) as Record<string, number>
    expect(Object.keys(timed).filter((file) => !slow.includes(file))).toEqual([])
  })

  it('of both engines are left out on Postgres by npm test where they try no attack, and there alone', () => {
    const script = readFileSync(join(root, 'scripts/test.sh'), 'utf8')
    const pattern = new RegExp(/--testNamePattern '([^']+)'/.exec(script)?.[1] ?? '-')
    const word = 'attack'
    const titles = [
      'a store on sqlite > keeps what it is given',
      'a store on postgres > keeps what it is given',
      `a store on postgres > keeps nothing that was edited (${word} H5)`,
      `a store on postgres > refuses both (${word}s K2, K8)`,
      'a page > says how to install on postgres',
    ]
    expect(titles.filter((title) => pattern.test(title))).toEqual(titles.filter((_, index) => index !== 1))
    // Suites of both engines are called as the pattern takes it.
    expect(readFileSync(join(root, 'packages/platform/src/testing/stores.ts'), 'utf8')).toContain(
      '`${name} on postgres`',
    )
  })
})
