import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const isWrite =
  /\b(?:stdout|stderr|terminal)\s*\??\.\s*write\(|\bconsole\.(?:log|info|warn|error|debug|trace|table|dir|group)\(/
const isVisible = /\bvisible(?:Text|Json)\(/

/** Writes of text that is ours alone, and of what was made visible before. */
const known = [
  'apps/cli/src/core/busy.ts: if (isShown) terminal.write(clear)',
  'apps/cli/src/core/terminal.ts: export const print = (shown: string): void => void process.stdout.write(shown)',
  'apps/cli/src/drill/command.ts: void (process.stderr.isTTY && process.stderr.write(`\\r\\u001b[2K         … ${id}: ${title}`)),',
  "apps/cli/src/drill/command.ts: if (process.stderr.isTTY) process.stderr.write('\\r\\u001b[2K')",
  'apps/cli/src/embed/launcher.ts: ' +
    'process.stderr.write(`error: ${message}\\n  expected: ${expected}\\n  found: ${found}\\n  remedy: ${remedy}\\n`)',
  'apps/cli/src/embed/testcontainers/login.ts: process.stdout.write(JSON.stringify({ record: JSON.parse(record), ca, clientId, pem }))`',
  "apps/cli/src/up/progress.ts: const clear = (): void => terminal?.write('\\r\\u001b[2K')",
]

it('whatever writes to a terminal or a log makes others’ text visible first (attack E22)', () => {
  const files = execFileSync('git', ['ls-files', 'apps', 'packages', 'services'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((file) => /\.(?:ts|tsx|mjs|cjs|js)$/.test(file) && !/\.test\.tsx?$|\/testing[/.]/.test(file))
  const writes = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => isWrite.test(line) && !isVisible.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  )
  expect(writes).toEqual(known)
})
