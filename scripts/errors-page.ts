// Writes docs/reference/errors.md from the catalogue of codes (packages/contract/src/errors): npm run docs:errors
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errorCatalogue, type ErrorSection } from '@strongroom/contract/errors'

export const errorsPagePath: string = join(resolve(import.meta.dirname, '..'), 'docs/reference/errors.md')

const statusText = (status: number | readonly number[] | undefined): string =>
  status === undefined ? '' : [status].flat().join(', ')

/** The page, as Markdown. */
export function errorsPage(): string {
  const sections = Object.values<ErrorSection>({ ...errorCatalogue }).flatMap(({ title, about, codes }) => [
    `## ${title}`,
    '',
    about,
    '',
    '| Code | HTTP | When | What to do |',
    '|---|---|---|---|',
    ...Object.entries(codes).map(
      ([code, { status, when, remedy }]) => `| \`${code}\` | ${statusText(status)} | ${when} | ${remedy} |`,
    ),
    '',
  ])
  return [
    '# Errors',
    '',
    'Every error has a stable code, a message, and where it helps what was expected, what was found and what to do (`innererror`).',
    'This page is made of the catalogue in `packages/contract/src/errors` by `npm run docs:errors`; there is no other code.',
    'A code without an HTTP status stands in `details` or in `innererror.code`, in the state of an operation, or on the command line.',
    '',
    ...sections,
  ].join('\n')
}

if (import.meta.main) writeFileSync(errorsPagePath, errorsPage())
