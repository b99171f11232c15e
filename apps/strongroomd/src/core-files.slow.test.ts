import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/** A pattern without a pipe or a folder: core files go to the working directory. */
const comesHere = !/[|/]/.test(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'))

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'strongroom-core-'))))
afterEach(() => rmSync(folder, { recursive: true }))

/** Aborts Node by SIGABRT while it holds a generated text, and returns its core file and that text. */
async function coreOf(before: string): Promise<{ core: Buffer; canary: string }> {
  const program = `${before}
    const held = Buffer.alloc(64); crypto.getRandomValues(held); held.write('canary:')
    process.stdout.write(held.toString('base64'), () => process.abort())`
  const line = 'ulimit -c unlimited && exec "$0" --conditions=x-source --input-type=module --eval "$1"'
  const child = spawn('/bin/bash', ['-c', line, process.execPath, program], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let canary = ''
  child.stdout.on('data', (chunk: Buffer) => (canary += chunk.toString()))
  const signal = await new Promise<string | null>((done) => child.once('close', (_code, by) => done(by)))
  expect(signal).toBe('SIGABRT')
  const file = readdirSync(folder).find((name) => name.startsWith('core'))
  if (file === undefined) throw new Error('there is no core file')
  return { core: readFileSync(join(folder, file)), canary }
}

describe('core files of the server', () => {
  it.skipIf(!comesHere)('hold nothing of its memory, which others do', async () => {
    const found = ({ core, canary }: { core: Buffer; canary: string }): boolean =>
      core.includes(Buffer.from(canary, 'base64').subarray(0, 48))
    expect(found(await coreOf(''))).toBe(true)
    rmSync(
      join(
        folder,
        readdirSync(folder).find((name) => name.startsWith('core'))!,
      ),
    )
    const module = JSON.stringify(join(import.meta.dirname, 'core-files.ts'))
    const kept = await coreOf(`import { keepMemoryFromCoreFiles } from ${module}; keepMemoryFromCoreFiles()`)
    expect(found(kept)).toBe(false)
    expect(kept.core.length).toBeGreaterThan(0)
  })

  it('are kept empty by the server itself, and so by what it starts', { timeout: 60_000 }, async () => {
    const ports = ['--port', String(await freePort()), '--local-port', String(await freePort())]
    const args = ['--state-dir', join(folder, 'state'), '--cache-dir', join(folder, 'cache'), '--compute', 'simulated']
    const child = spawn(
      process.execPath,
      [
        '--conditions=x-source',
        '--disable-warning=ExperimentalWarning',
        join(import.meta.dirname, 'main.ts'),
        ...args,
        ...ports,
      ],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: join(folder, 'config') },
      },
    )
    const ended = new Promise<void>((done) => child.once('exit', () => done()))
    try {
      const message = await new Promise((done) => child.once('message', done))
      expect(message).toMatchObject({ type: 'ready' })
      expect(readFileSync(`/proc/${child.pid}/coredump_filter`, 'utf8').trim()).toBe('00000000')
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  })
})
