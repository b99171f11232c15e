import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scriptOf } from '../../scripts/guide-script.ts'
import { runAsReader } from './guide.ts'

const folder = resolve(import.meta.dirname, '../../docs/tutorials')
const scriptNamed = (name: string): string => scriptOf(readFileSync(join(folder, name), 'utf8'))
/** Guides that continue in the shell of another one. */
const continued: Record<string, string> = { 'fleet-drills.md': 'build-a-fleet.md' }
const guides = readdirSync(folder).map((name) => ({
  name,
  script: [continued[name], name].flatMap((each) => (each === undefined ? [] : [scriptNamed(each)])).join('\n'),
}))

/** Kinds of readers, and their pages. */
const readers = {
  'CI author': 'secure-key-release-in-ci.md',
  'SDK developer': 'program-with-azures-sdks.md',
  'security engineer': 'verify-evidence-offline.md',
  operator: 'run-it-for-others.md',
}
/** For a whole guide. */
const mostSeconds = 300

describe('a page to start with', () => {
  it.each(Object.entries(readers))('is there for the %s, and the README leads to it: %s', (_, name) => {
    expect(guides.map((guide) => guide.name)).toContain(name)
    expect(readFileSync(resolve(folder, '../../README.md'), 'utf8')).toContain(`(docs/tutorials/${name})`)
  })
})

/** A network namespace requires root. */
describe.skipIf(process.getuid?.() !== 0)('a guide', () => {
  it.each(guides)('does what it promises, command by command: $name', async ({ script }) => {
    expect(script).toContain('strongroom ')
    const begun = performance.now()
    const { code, output } = await runAsReader(script)
    expect(code, output.slice(-6000)).toBe(0)
    expect((performance.now() - begun) / 1000).toBeLessThan(mostSeconds)
  })

  it('that fails at a command is found', async () => {
    expect(scriptOf('a\n```sh\ntrue\n```\n\n```json\n{}\n```\n```sh\nfalse\n```\n')).toBe('true\n\nfalse\n')
    expect((await runAsReader('true\nfalse\ntrue')).code).toBe(1)
    expect((await runAsReader('strongroom status')).code).toBe(5)
  })
})
