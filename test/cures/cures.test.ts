import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { rowsIn } from '../boundaries/attack-page.ts'
import type { CopiedTest } from '../scratch-copy.ts'
import { cures, type Cure } from './cures.ts'
import { faultOf, takenOut } from './take-out.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const rows = rowsIn(read('docs/proof/attacks.md'))

describe('the cures of attacks', () => {
  it.each(cures.map((cure) => [cure.attack, cure.title, cure] as const))(
    'can be taken out, and have their test in the row of the attack: %s “%s”',
    (attack, title, cure) => {
      expect(takenOut(read(cure.file), cure)).not.toBe(read(cure.file))
      const { tests = [] } = rows.find(({ id }) => id === attack) ?? {}
      expect(tests).toContainEqual({ file: cure.test, title })
    },
  )

  it('are stated once each', () => {
    expect(new Set(cures.map(({ file, cure }) => `${file} ${cure}`)).size).toBe(cures.length)
  })
})

describe('taking a cure out', () => {
  const cure: Cure = {
    attack: 'H1',
    file: 'a.ts',
    cure: 'check()',
    without: '',
    test: 'a.test.ts',
    title: 'refuses %s',
  }
  const ran = (status: string, title = 'refuses it'): CopiedTest[] => [{ title, fullName: title, status }]

  it('leaves the rest of the source', () => {
    expect(takenOut('a\ncheck()\nb', cure)).toBe('a\n\nb')
  })

  it.each([0, 2])('is refused where the source has it %i times', (times) => {
    expect(() => takenOut('check()\n'.repeat(times), cure)).toThrow(`H1: a.ts has its cure ${times} times, not once`)
  })

  it('is without a fault where the test fails for lack of it', () => {
    expect(faultOf(cure, ran('passed'), [...ran('passed'), ...ran('failed')])).toBeUndefined()
  })

  it.each([
    ['does not fail without its cure', ran('passed'), ran('passed')],
    ['does not fail without its cure', ran('passed'), ran('failed', 'another')],
    ['fails although nothing was taken out', ran('failed'), ran('failed')],
    ['did not run', ran('passed', 'another'), ran('failed')],
  ] as const)('is at fault where the test %s', (fault, before, after) => {
    expect(faultOf(cure, before, after)).toBe(`H1: “refuses %s” of a.test.ts ${fault}`)
  })
})
