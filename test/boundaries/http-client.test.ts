import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isTest } from './import-rules.ts'

const root = resolve(import.meta.dirname, '../..')

/** The modules that send requests: one for Node, one for the browser. */
const clients = ['packages/platform/src/http/client.ts', 'apps/portal/src/wire/ask.ts']
/** Code that forwards a client's own request: the reverse proxy, through which bodies stream. */
const others = ['packages/platform/src/public-names/gateway.ts']

const senders = /\b(?:request|get|ClientRequest)\b/
const modules = String.raw`['"](?:node:)?(https?|http2|undici)['"]`

/** Ways in which a file sends requests itself. */
function sends(code: string): string[] {
  const text = code.replaceAll(/^\s*(?:\*|\/\*|\/\/).*$/gm, '')
  const named = [...text.matchAll(new RegExp(String.raw`import\s+(?!type\b)\{([^}]*)\}\s*from\s*${modules}`, 'g'))]
    .filter(
      ([, names = '', from]) =>
        from === 'http2' ||
        from === 'undici' ||
        names.split(',').some((name) => !/^\s*type\s/.test(name) && senders.test(name)),
    )
    .map(([, , from]) => `imports of ${from}`)
  const whole = [
    ...text.matchAll(new RegExp(String.raw`import\s+(?!type\b)(?:\*\s+as\s+)?\w+\s+from\s*${modules}`, 'g')),
  ].map(([, from]) => `imports ${from}`)
  const later = [
    ...text.matchAll(
      new RegExp(
        String.raw`(?:import|require|getBuiltinModule)\(\s*${modules}\s*\)(?!\.(?:createServer|Agent)\b)`,
        'g',
      ),
    ),
  ].map(([, from]) => `loads ${from}`)
  const isOwn = /(?:\bfunction|\bconst|\blet)\s+fetch\b|\bfetch\??\s*[:,}]/.test(text)
  const global =
    /\bglobalThis\s*\.\s*fetch\b|\bnew\s+(?:WebSocket|EventSource|XMLHttpRequest)\b/.test(text) ||
    (!isOwn && /(?<![.#\w])fetch\s*\(/.test(text))
  return [...named, ...whole, ...later, ...(global ? ['fetch'] : [])]
}

const sources = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx'], {
  cwd: root,
})
  .toString()
  .split('\n')
  .filter(
    (file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file) && !isTest(file) && existsSync(join(root, file)),
  )
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

describe('requests to others', () => {
  it('are sent by one module, and by one of the browser’s', () => {
    const found = sources.filter((file) => !others.includes(file) && sends(read(file)).length > 0)
    expect(found.toSorted()).toEqual(clients.toSorted())
  })

  it.each([
    "import { request } from 'node:https'",
    "import { Agent, request as ask } from 'node:http'",
    "import { type Agent, get } from 'http'",
    "import https from 'node:https'",
    "import * as http from 'node:http'",
    "import { connect } from 'node:http2'",
    "import { Pool } from 'undici'",
    "const { request } = await import('node:https')",
    "process.getBuiltinModule('node:http').request({})",
    "await fetch('https://example.org')",
    "await globalThis.fetch('https://example.org')",
    "new WebSocket('wss://example.org')",
  ])('would be found in %s', (code) => {
    expect(sends(`export const a = 1\n${code}\n`)).toHaveLength(1)
  })

  it.each([
    "import { Agent } from 'node:https'",
    "import { createServer, type IncomingMessage } from 'node:http'",
    "import type { ClientRequest } from 'node:http'",
    "process.getBuiltinModule('node:http').createServer",
    "// await fetch('https://example.org')",
    'const answer = await this.source.fetch(path)',
    'async function fetch(queue: Queue): Promise<void> {}\nawait fetch(queue)',
  ])('are none in %s', (code) => {
    expect(sends(code)).toEqual([])
  })
})
