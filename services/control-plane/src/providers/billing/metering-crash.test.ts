import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore, systemClock } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { ResourceStore } from '../../store/resources.ts'
import { resourceTypes } from '../../resource-types.ts'
import { UsageLog } from './usage-log.ts'

const child = join(import.meta.dirname, '../../testing/metering-child.ts')

async function said(stream: Readable, line: string): Promise<void> {
  for await (const each of createInterface({ input: stream })) if (each === line) return
  throw new Error(`the process ended before it said: ${line}`)
}

it('usage agrees with the resources after every kill -9, and no interval is open twice', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-metering-'))
  try {
    let intervals = 0
    for (const life of [40, 130, 75, 210]) {
      const running = spawn(process.execPath, ['--conditions=x-source', child, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      // Ready, then with a VM: killed some time after metering began.
      await said(running.stdout, 'made')
      await sleep(life)
      running.kill('SIGKILL')
      await once(running, 'exit')
      const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
      const resources = new ResourceStore(store, systemClock)
      const usage = new UsageLog(resources, systemClock, resourceTypes)
      await usage.open()
      const all = await usage.list({ from: new Date(0), to: new Date('9999-01-01T00:00:00Z') })
      const open = all.filter((one) => one.endedAt === undefined)
      const rows = (await resources.list({})).flatMap((row) => resourceTypes.metersOf(row))
      const text = (one: { meter: string; resourceId: string; sku: string }): string =>
        `${one.meter} ${one.resourceId} ${one.sku}`
      expect(open.map(text).toSorted()).toEqual(rows.map(text).toSorted())
      expect(all.every((one) => one.endedAt === undefined || one.endedAt >= one.startedAt)).toBe(true)
      expect(all.length).toBeGreaterThanOrEqual(intervals)
      intervals = all.length
      await store.close()
    }
    expect(intervals).toBeGreaterThan(0)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
