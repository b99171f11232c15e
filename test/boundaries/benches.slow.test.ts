import { fork } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePort } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { serverNodeOptions } from '../../apps/cli/src/up/server-command.ts'
import { answerOf, end } from '../../bench/support/process.ts'

const benches = resolve(import.meta.dirname, '../../bench')
/** Besides the two ports: as small as possible. */
const more: Record<string, string[]> = { attestation: ['2'] }

/** Benchmarks run too rarely to notice when their set-up breaks: services change, and benchmarks call them on their own wires. */
describe('the services that benches measure', () => {
  it.each(globSync('*/server.ts', { cwd: benches }).map((path) => path.split('/')[0]!))('start: %s', async (name) => {
    const ports = [String(await freePort()), String(await freePort())]
    const child = fork(join(benches, name, 'server.ts'), [...ports, ...(more[name] ?? [])], {
      execArgv: [...serverNodeOptions, '--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    try {
      expect(await answerOf<{ caPem: string }>(child)).toMatchObject({ caPem: expect.stringContaining('CERTIFICATE') })
    } finally {
      await end(child)
    }
  })

  it('are those of the benches that npm run bench names', () => {
    const names = globSync('*/server.ts', { cwd: benches }).map((path) => path.split('/')[0]!)
    expect(names.length).toBeGreaterThanOrEqual(3)
    for (const name of names) expect(existsSync(join(benches, `${name}.ts`))).toBe(true)
  })
})
