import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
/** Which connection it is, or whose process made it: neither is who is counted. */
const others = ['packages/platform/src/http/listening/connections.ts', 'packages/platform/src/network/peer-user.ts']
const reader = 'packages/platform/src/network/caller.ts'

const sources = execFileSync('git', ['ls-files', 'apps/strongroomd/src', 'packages/platform/src', 'services'], {
  cwd: root,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|\/testing[./]|harness/.test(file))

/** Files that read the address of a peer themselves. */
const readingAddresses = (files: readonly string[], read: (file: string) => string): string[] =>
  files.filter((file) => /\.remoteAddress\b|\bremoteAddress[,:} ]|\brequest\.ip\b/.test(read(file)))

describe('the address of a caller', () => {
  it('is read in one place, where all of loopback is one caller', () => {
    const found = readingAddresses(sources, (file) => readFileSync(join(root, file), 'utf8'))
    expect(found.toSorted()).toEqual([...others, reader].toSorted())
  })

  it.each(['keyOf: (request) => request.ip', 'const a = socket.remoteAddress', 'const { remoteAddress } = socket'])(
    'is found where it is read elsewhere: %s',
    (text) => expect(readingAddresses(['a.ts'], () => text)).toEqual(['a.ts']),
  )
})
