import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { freePort } from '@strongroom/platform'
import { expect, it } from 'vitest'
import { compose } from './compose.ts'

it('answers ready once a command finds the server, and starting before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-ready-'))
  const stateDir = join(folder, 'state')
  const [port, local] = [String(await freePort()), String(await freePort())]
  process.env['STRONGROOM_MASTER_KEY_FILE'] = join(folder, 'master-key')
  await writeFile(join(folder, 'master-key'), Buffer.alloc(32, 7), { mode: 0o600 })
  let hasFailed = false
  const watch = async (): Promise<string[]> => {
    const seen: string[] = []
    while (!hasFailed) {
      const answer = await fetch(`http://127.0.0.1:${local}/ready`).catch(() => undefined)
      if (answer !== undefined) {
        seen.push(`${answer.status} ${existsSync(join(stateDir, 'server.json')) ? 'found' : 'not found'}`)
        await answer.arrayBuffer()
        if (answer.status === 200) break
      }
      await setImmediate()
    }
    return seen
  }
  const watching = watch()
  const ports = { tls: port, local }
  const started = compose({ stateDir, cacheDir: join(folder, 'cache'), ports, compute: 'simulated' })
  started.catch(() => (hasFailed = true))
  try {
    const seen = await watching
    expect(seen).toContain('503 not found')
    expect(seen.at(-1)).toBe('200 found')
  } finally {
    await (await started).close()
    await rm(folder, { recursive: true, force: true })
  }
})
