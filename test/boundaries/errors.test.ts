import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  errorCatalogue,
  statusOf,
  type ErrorCode,
  type ErrorSection,
  type SettledCode,
} from '@strongroom/contract/errors'
import type { ParseErrorCode, VerificationErrorCode } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { errorsPage, errorsPagePath } from '../../scripts/errors-page.ts'
import { unlistedCodes, unusedCodes, type CodesBySection, type Source } from './error-codes.ts'

const root = resolve(import.meta.dirname, '../..')
const sources: Source[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx'],
  { cwd: root },
)
  .toString()
  .split('\n')
  .filter((file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file) && existsSync(join(root, file)))
  .filter((file) => !/\.test\.tsx?$|\/testing[/.]/.test(file) && !file.startsWith('packages/contract/src/errors/'))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }))

const sections = Object.entries<ErrorSection>({ ...errorCatalogue })
const catalogue: CodesBySection = Object.fromEntries(sections.map(([name, { codes }]) => [name, Object.keys(codes)]))

describe('the catalogue of codes', () => {
  it('is the page that readers find', () => {
    expect(readFileSync(errorsPagePath, 'utf8'), 'run npm run docs:errors').toBe(errorsPage())
  })

  it('has no code that nothing makes', () => {
    expect(unusedCodes(catalogue, sources)).toEqual([])
    expect(unusedCodes({ vault: ['KeyNotFound', 'PlantedNowhere'] }, sources)).toEqual(['vault PlantedNowhere'])
    // Another service's sources do not count.
    expect(unusedCodes({ identity: ['KeyNotFound'] }, sources)).toEqual(['identity KeyNotFound'])
  })

  it('has every code that a service makes, in a section of that service', () => {
    expect(unlistedCodes(catalogue, sources)).toEqual([])
    const planted = (text: string): string[] =>
      unlistedCodes(catalogue, [{ file: 'services/vault/src/planted.ts', text }])
    expect(planted("{ code: 'PlantedUnlisted' }")).toEqual(['services/vault/src/planted.ts PlantedUnlisted'])
    expect(planted("{ code: late ? 'PlantedUnlisted' : 'KeyNotFound' }")).toEqual([
      'services/vault/src/planted.ts PlantedUnlisted',
    ])
    expect(planted("{ code: 'Forbidden', reason: 'DiskNotFound' }")).toEqual([
      'services/vault/src/planted.ts DiskNotFound',
    ])
  })

  it('says of each code when it occurs and what to do, in sentences', () => {
    for (const [section, { codes }] of sections)
      for (const [code, { when, remedy }] of Object.entries(codes))
        for (const text of [when, remedy]) expect(text, `${section} ${code}`).toMatch(/^[A-Z0-9-][^|\n]*[.)]$/i)
  })
})

describe('a code', () => {
  it('is one of a closed union, with the status that the catalogue has for it', () => {
    expect(statusOf('RequestEntityTooLarge')).toBe(413)
    expect(new ServiceError({ code: 'DiskNotFound', message: '' }).status).toBe(404)
    expect(new ServiceError({ code: 'ImageNotFound', status: 400, message: '' }).status).toBe(400)
    // @ts-expect-error: no section has it
    expect(new ServiceError({ code: 'PlantedUnlisted', message: '' }).status).toBeUndefined()
    // @ts-expect-error: its status is the catalogue's to say
    expect(new ServiceError({ code: 'DiskNotFound', status: 409, message: '' }).status).toBe(409)
    // @ts-expect-error: of several statuses the throw site has to name one
    expect(new ServiceError({ code: 'ImageNotFound', message: '' }).status).toBeUndefined()
    // @ts-expect-error: none of its statuses
    expect(new ServiceError({ code: 'ImageNotFound', status: 418, message: '' }).status).toBe(418)
    // @ts-expect-error: it stands in details, and is never an answer
    expect(new ServiceError({ code: 'KeyReleaseDenied', message: '' }).status).toBeUndefined()
    expectTypeOf<string>().not.toExtend<ErrorCode>()
    expectTypeOf<'KeyReleaseDenied'>().not.toExtend<SettledCode>()
  })

  it('of evidence is the evidence package’s own', () => {
    expectTypeOf<keyof (typeof errorCatalogue)['evidence']['codes']>().toEqualTypeOf<
      ParseErrorCode | VerificationErrorCode
    >()
  })
})
