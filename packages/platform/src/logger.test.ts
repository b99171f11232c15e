import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createLogger } from './logger.ts'

it('writes no secret into the log, at whichever of the usual depths it lies, and lets nobody else read the file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'sub', 'server.log')
  const logger = createLogger({ level: 'info', file })
  logger.info({ secret: 'hunter2', request: { headers: { authorization: 'Bearer hunter2' } } }, 'one')
  logger.info({ body: { client_secret: 'hunter2', token: 'hunter2', password: 'hunter2', key: 'hunter2' } }, 'two')
  const text = readFileSync(file, 'utf8')
  expect(text).toContain('two')
  expect(text).not.toContain('hunter2')
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
