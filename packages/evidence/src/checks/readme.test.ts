import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkCatalogue } from './catalogue.ts'

it('the README names every check with what it shows, and no other', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([\w.]+)` \| ([^|]*) \| [^|]+ \|/gm)].map(([, id, shows]) => [id, shows])
  expect(rows).toEqual(Object.entries(checkCatalogue).map(([id, { shows }]) => [id, shows]))
})

it('gives every check of the catalogue somewhere, so that no row speaks of one that is never made', () => {
  const sources = globSync('**/*.ts', { cwd: join(import.meta.dirname, '..') })
    .filter((name) => !name.endsWith('.test.ts') && !name.endsWith('catalogue.ts'))
    .map((name) => readFileSync(join(import.meta.dirname, '..', name), 'utf8'))
    .join('\n')
  const unused = Object.keys(checkCatalogue).filter((id) => !sources.includes(`'${id}'`))
  expect(unused).toEqual([])
})
