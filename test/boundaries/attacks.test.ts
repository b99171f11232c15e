import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const tracked = execFileSync('git', ['ls-files', '*.ts'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const page = read('docs/attacks.md')

const range = (letter: string, last: number): string[] =>
  Array.from({ length: last }, (_, index) => `${letter}${index + 1}`)
/** Of tokens, of policies, of the vTPM and its state, of a boot (those that a test names), of keys and services. */
const ids = [...range('K', 11), ...range('P', 6), ...range('V', 11), 'B5', 'D5', ...range('Q', 11)]

/** Rows of the page: id, and each test that it names as [file, name]. */
const rows = page.split('\n').flatMap((line) => {
  const [, id] = /^\| ([KPVBDQ]\d+) \|/.exec(line) ?? []
  return id === undefined ? [] : [{ id, tests: [...line.matchAll(/`([^`]+\.test\.ts)`: “([^”]+)”/g)] }]
})

/** Names of the tests of a file that say they are of an attack; curly marks are what the page cannot quote. */
const named = (file: string): string[] =>
  [...read(file).matchAll(/(['"`])([^\n]*?\(attacks? [^)\n]+\))\1/g)].map(([, , name]) => name!)
const idsOf = (name: string): string[] => /\(attacks? ([^)]+)\)$/.exec(name)?.[1]?.split(', ') ?? []

describe('docs/attacks.md', () => {
  it('has a row for each attack, in their order', () => {
    expect(rows.map(({ id }) => id)).toEqual(ids)
  })

  it.each(rows)('names for $id tests that there are, and that say they are of it', ({ id, tests }) => {
    expect(tests.length).toBeGreaterThan(0)
    for (const [, file, name] of tests) {
      expect(tracked).toContain(file)
      expect(named(file!)).toContain(name)
      expect(idsOf(name!)).toContain(id)
    }
  })

  it('leaves out no test that says it is of an attack', () => {
    const listed = new Set(rows.flatMap(({ id, tests }) => tests.map(([, file, name]) => `${id} ${file} ${name}`)))
    const files = tracked.filter((file) => file.endsWith('.test.ts') && !file.startsWith('test/boundaries/'))
    const missing = files.flatMap((file) =>
      named(file).flatMap((name) =>
        idsOf(name)
          .map((id) => `${id} ${file} ${name}`)
          .filter((each) => !listed.has(each)),
      ),
    )
    expect(missing).toEqual([])
  })
})

describe('secrets that a caller sends', () => {
  /** Where one is compared with ours; everywhere else it is hashed, or looked up by a key that is no secret. */
  const comparing = [
    'packages/platform/src/master-key/root-key.ts',
    'services/attestation/src/tpm/challenges.ts',
    'services/control-plane/src/compute/boot-diagnostics.ts',
    'services/control-plane/src/compute/passwords.ts',
    'services/host/src/kept/access-grants.ts',
    'services/identity/src/principals.ts',
    'services/identity/src/secret.ts',
    'services/vault/src/keystore/digest-info.ts',
  ]
  const secret = '\\w*(?:signature|hmac|secret|password|passphrase|verifier|accessKey|\\bmac)'
  const constant = `(?!undefined|null|typeof|true|false|['"\`\\d])`
  const naive = [
    new RegExp(`\\b${secret} *[!=]== ${constant}`, 'i'),
    new RegExp(`[!=]== (?:\\w+\\.)*${secret}\\b *(?:[);&|?:]|$)`, 'i'),
    new RegExp(`\\b${secret}\\.(?:equals|compare|startsWith)\\(`, 'i'),
  ]
  const isNaive = (line: string): boolean =>
    !/undefined|null|typeof|'string'/.test(line) && naive.some((each) => each.test(line))

  it('are compared in constant time, by the platform’s function alone (attack Q7)', () => {
    // Evidence and policies are public, whoever reads them.
    const holders = /^(packages\/platform|services|apps)\/.*(?<!\.test)\.ts$/
    const sources = tracked.filter((file) => holders.test(file))
    const use = sources.filter((file) => /^(?!import ).*\btimingSafeEqual\(/m.test(read(file)))
    expect(use).toEqual(comparing)
    const found = sources.flatMap((file) =>
      read(file)
        .split('\n')
        .filter(isNaive)
        .map((line) => `${file}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })

  it.each([
    'if (given === secret) return true',
    'return signature === wanted',
    'if (this.password !== o.password) throw refused()',
    'return hmac.equals(given)',
    'return due.mac === given.mac;',
  ])('would be found in: %s', (line) => {
    expect(isNaive(line)).toBe(true)
  })
})
