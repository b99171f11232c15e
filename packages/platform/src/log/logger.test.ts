import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

it('writes no secret of an error, a list, a child logger or anything deep, and what is not a secret as it is', () => {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'server.log')
  const logger = createLogger({ level: 'info', file })
  logger.child({ token: 'hunter2', service: 'x' }).info({ list: [{ key: 'hunter2' }], at: new Date(0) }, 'child')
  logger.error({ err: Object.assign(new Error('broke'), { password: 'hunter2', code: 'E1' }) }, 'error')
  logger.error(Object.assign(new Error('alone'), { detail: { secret: 'hunter2' } }))
  logger.info({ a: { b: { c: { d: { e: { token: 'hunter2', kept: 1 } } } } } }, 'deep')
  const round: Record<string, unknown> = {}
  round['itself'] = round
  logger.info(round, 'round')
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('hunter2')
  for (const kept of ['"service":"x"', '1970-01-01', '"code":"E1"', 'broke', 'alone', '"kept":1', 'round'])
    expect(text).toContain(kept)
})

it('writes control characters and direction marks as escapes, in messages and members (attack E22)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'server.log')
  const hidden = '\u001b[2K\r\n\u007f\u009b8m\u061c\u200e\u202e\u2066\u2028'
  createLogger({ level: 'info', file })
    .child({ [hidden]: hidden })
    .info({ name: hidden }, hidden)
  const text = readFileSync(file, 'utf8')
  expect(text).toMatch(/^[^\p{Cc}\u061c\u200e\u202e\u2066\u2028]+\n$/u)
  expect(JSON.parse(text)).toMatchObject({ name: hidden, msg: hidden, [hidden]: hidden })
})

it('puts a log file aside when it is large, and goes on', () => {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'server.log')
  const logger = createLogger({ level: 'info', file, fileLimit: 2_000 })
  for (let i = 0; i < 100; i++) logger.info({ i }, 'x'.repeat(50))
  expect(readdirSync(directory).toSorted()).toEqual(['server.log', 'server.log.1'])
  for (const name of readdirSync(directory)) {
    const { size, mode } = statSync(join(directory, name))
    expect(size).toBeLessThan(2_200)
    expect(mode & 0o777).toBe(0o600)
  }
  expect(readFileSync(file, 'utf8') + readFileSync(`${file}.1`, 'utf8')).toContain('"i":99')
})

it('does not end the server when the disk of the log is full', async () => {
  const logger = createLogger({ level: 'info', file: '/dev/full' })
  for (let i = 0; i < 10; i++) logger.info('lost')
  await sleep(50)
  logger.info('lost too')
})
