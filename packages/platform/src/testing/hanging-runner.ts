/**
 * For the tests of OperationRunner: submits an operation whose step b hangs. argv: STORE-URL SERVICE LEASE-SECONDS
 * [FILE]. With FILE the whole process hangs, and so renews nothing, until the file exists.
 */
import { existsSync, writeSync } from 'node:fs'
import { systemClock } from '../clock/clock.ts'
import { createLogger } from '../log/logger.ts'
import { OperationRunner } from '../operations/runner.ts'
import { openStore } from '../store/engines/store.ts'
import { testSealer } from './test-sealer.ts'

const [url, service, leaseSeconds, file] = process.argv.slice(2) as [string, string, string, string | undefined]
const cell = new Int32Array(new SharedArrayBuffer(4))
// Synchronous: the line must be out before the process hangs.
const say = (line: string): void => void writeSync(1, `${line}\n`)
const runner = new OperationRunner({
  store: await openStore({ url, service, sealer: testSealer }),
  logger: createLogger({ level: 'silent' }),
  clock: systemClock,
  owner: 'test',
  leaseSeconds: Number(leaseSeconds),
})
runner.define({
  kind: 'paint',
  steps: [
    { name: 'a', do: async () => ({ order: ['a'] }) },
    {
      name: 'b',
      do: async ({ signal }) => {
        say('in b')
        while (file !== undefined && !existsSync(file)) Atomics.wait(cell, 0, 0, 20)
        await new Promise((resolve) => {
          if (signal.aborted) resolve(undefined)
          else signal.addEventListener('abort', resolve)
        })
        say('aborted b')
      },
    },
    { name: 'c', do: async () => {} },
  ],
})
await runner.start()
await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: {} })
