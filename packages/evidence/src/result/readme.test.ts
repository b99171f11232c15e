import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkCatalogue } from './catalogue.ts'

it('the README names every check with what it shows, and no other', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([\w.]+)` \| ([^|]*) \| [^|]+ \|/gm)].map(([, id, shows]) => [id, shows])
  expect(rows).toEqual(Object.entries(checkCatalogue).map(([id, { shows }]) => [id, shows]))
})
