import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { advisoriesNotShown, lineOf, openAdvisories, snpAdvisories, snpLines, tcbMinimum } from '../advisories.ts'
import { productOfCpu, type SnpProduct } from './products.ts'
import { tcbParts } from './tcb.ts'

const cpus: Record<string, [product: SnpProduct, family: number, model: number, stepping: number]> = {
  Milan: ['Milan', 0x19, 0x01, 1],
  'Milan-X': ['Milan', 0x19, 0x01, 2],
  Genoa: ['Genoa', 0x19, 0x11, 1],
  'Genoa-X': ['Genoa', 0x19, 0x11, 2],
  Bergamo: ['Genoa', 0x19, 0xa0, 2],
  Turin: ['Turin', 0x1a, 0x02, 1],
  'Turin Dense': ['Turin', 0x1a, 0x11, 0],
}
const cases = snpLines.map((line) => {
  const [product, family, model, stepping] = cpus[line]!
  return [line, product, { family, model, stepping }] as const
})

describe('the table of AMD’s advisories', () => {
  it('names each advisory once, with its page, its numbers and where each value was read', () => {
    expect(new Set(snpAdvisories.map(({ id }) => id)).size).toBe(snpAdvisories.length)
    for (const { id, name, bulletin, references, lines } of snpAdvisories) {
      expect(name ?? 'none').toMatch(/^[A-Z][A-Za-z]{3,}( and [A-Z][A-Za-z]+)?$|^none$/)
      expect(bulletin).toBe(`https://www.amd.com/en/resources/product-security/bulletin/${id.toLowerCase()}.html`)
      expect(references.length).toBeGreaterThan(0)
      for (const reference of references) expect(reference).toMatch(/^(CVE-20\d\d-\d{4,6}|arXiv:\d{4}\.\d{5})$/)
      expect(Object.keys(lines).length).toBeGreaterThan(0)
      for (const fix of Object.values(lines)) {
        if (fix === 'notShown') continue
        expect(fix.readIn).toMatch(/^https:\/\//)
        const versions = Object.values(fix.minimum)
        expect(versions.length).toBeGreaterThan(0)
        for (const version of versions)
          expect(version).toSatisfy((n: number) => Number.isInteger(n) && n > 0 && n < 256)
      }
    }
  })

  it.each(cases)('tells %s from its neighbours', (line, product, cpu) => {
    expect(productOfCpu(cpu)).toBe(product)
    expect(lineOf(product, cpu)).toBe(line)
  })

  it('takes a processor that does not say which it is for the line with the highest numbers', () => {
    for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
      const strict = tcbMinimum(lineOf(product, undefined))
      for (const [line, of] of cases.filter(([, of]) => of === product)) {
        for (const part of tcbParts)
          expect(strict[part], `${line} of ${of}`).toBeGreaterThanOrEqual(tcbMinimum(line)[part])
      }
    }
  })

  it.each(cases)('is what the page says of %s', (line) => {
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/explanation/attestation.md'), 'utf8')
    const minimum = tcbMinimum(line)
    const versions = tcbParts.filter((part) => minimum[part] > 0).map((part) => `${part} ${minimum[part]}`)
    const numbers = (shown: boolean): string =>
      snpAdvisories
        .filter(({ lines }) => lines[line] !== undefined && (lines[line] === 'notShown') !== shown)
        .map(({ id }) => id.slice(-4))
        .toSorted()
        .join(', ')
    const name = line === 'Bergamo' ? 'Bergamo, Siena' : line
    expect(page).toContain(`| ${name} | ${versions.join(', ')} | ${numbers(true)} | ${numbers(false)} |`)
  })

  it.each(cases)('is answered by the minimum of %s, and by nothing below it', (line, product, cpu) => {
    const tcb = tcbMinimum(line)
    const platform = { product, cpu, tcb, aliasCheckComplete: true }
    expect(openAdvisories(platform)).toEqual([])
    expect(advisoriesNotShown(platform).map(({ id }) => id)).toContain('AMD-SB-3034')
    for (const part of tcbParts.filter((each) => tcb[each] > 0)) {
      const open = openAdvisories({ ...platform, tcb: { ...tcb, [part]: tcb[part] - 1 } })
      expect(open.length).toBeGreaterThan(0)
      for (const { lacks } of open) expect(lacks).toEqual([`${part} ${tcb[part]} wanted, ${tcb[part] - 1} found`])
    }
  })
  it.each(['Milan', 'Milan-X', 'Genoa', 'Genoa-X', 'Bergamo'] as const)(
    'wants aliased memory looked for on %s',
    (line) => {
      const [, product, cpu] = cases.find(([name]) => name === line)!
      const open = openAdvisories({ product, cpu, tcb: tcbMinimum(line), aliasCheckComplete: false })
      expect(open.map(({ id }) => id)).toEqual(['AMD-SB-3015'])
    },
  )

  it('says of BadRAM that aliased memory was not looked for, where the versions are good', () => {
    const tcb = tcbMinimum('Genoa')
    const [open, ...others] = openAdvisories({ product: 'Genoa', cpu: undefined, tcb, aliasCheckComplete: false })
    expect(others).toEqual([])
    expect(open).toMatchObject({ id: 'AMD-SB-3015', name: 'BadRAM', references: ['CVE-2024-21944'] })
    expect(open!.lacks).toHaveLength(1)
  })

  it('lists what nothing in a report tells with nothing that it lacks, by name where it has one', () => {
    const hidden = advisoriesNotShown({ product: 'Genoa', cpu: undefined })
    expect(hidden.map(({ id, name, lacks }) => [id, name, lacks])).toEqual([
      ['AMD-SB-3034', 'Fabricked', []],
      ['AMD-SB-3030', 'BreakFAST', []],
    ])
    const unnamed = openAdvisories({
      product: 'Milan',
      cpu: undefined,
      tcb: tcbMinimum('Turin'),
      aliasCheckComplete: true,
    })
    expect(unnamed.find(({ id }) => id === 'AMD-SB-3016')).not.toHaveProperty('name')
  })
})
