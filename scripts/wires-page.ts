// Writes docs/reference/wires from the wires (packages/contract/src/wires): npm run docs:wires
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openApiOf, wires, type Wire } from '@strongroom/contract/wires'

export const referencePath: string = join(resolve(import.meta.dirname, '..'), 'docs/reference/wires')

const tableOf = ({ name, title, about, server, operations }: Wire): string[] => [
  `## ${title}`,
  '',
  `${about}`,
  '',
  `Served at ${server}; [${name}.json](${name}.json) has the bodies.`,
  '',
  '| Operation | What it does | Errors of its own |',
  '|---|---|---|',
  ...operations.map(({ method, path, summary, errors }) => {
    const codes = errors?.map((code) => `\`${code}\``).join(', ') ?? ''
    return `| \`${method} ${path}\` | ${summary} | ${codes} |`
  }),
  '',
]

/** The files of docs/reference/wires, by name. */
export const referenceFiles = (): Record<string, string> => ({
  'README.md': [
    '# Wires of our own',
    '',
    'What Strongroom speaks beside Azure’s wires, as its servers describe it: each serves its OpenAPI 3.1 ' +
      'description at `/openapi.json`, and',
    'does not start where its routes and the description differ. A member that a description does not have is refused.',
    'These pages are made of `packages/contract/src/wires` by `npm run docs:wires`.',
    '',
    ...wires.flatMap(tableOf),
  ].join('\n'),
  ...Object.fromEntries(
    wires.map((wire) => [`${wire.name}.json`, `${JSON.stringify(openApiOf(wire), undefined, 2)}\n`]),
  ),
})

if (import.meta.main) {
  mkdirSync(referencePath, { recursive: true })
  for (const [name, text] of Object.entries(referenceFiles())) writeFileSync(join(referencePath, name), text)
}
