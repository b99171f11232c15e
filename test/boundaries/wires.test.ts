import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCatalogue, type ErrorSection } from '@strongroom/contract/errors'
import { wires } from '@strongroom/contract/wires'
import { describe, expect, it } from 'vitest'
import { referenceFiles, referencePath } from '../../scripts/wires-page.ts'

describe('the reference of our own wires', () => {
  it('is what the wires say', () => {
    const found = readdirSync(referencePath).map((name) => [name, readFileSync(join(referencePath, name), 'utf8')])
    expect(Object.fromEntries(found), 'run npm run docs:wires').toEqual(referenceFiles())
  })

  it('names codes of the catalogue alone', () => {
    const codes = new Set(
      Object.values<ErrorSection>({ ...errorCatalogue }).flatMap((section) => Object.keys(section.codes)),
    )
    const named = wires.flatMap(({ operations }) => operations.flatMap(({ errors = [] }) => errors))
    expect(named.filter((code) => !codes.has(code))).toEqual([])
  })
})
