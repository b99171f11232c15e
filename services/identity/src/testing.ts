import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createSealer, openInstallation, systemClock, type Clock } from '@strongroom/platform'
import { onTestFinished } from 'vitest'
import { createIdentityService, type IdentityContext, type IdentityService } from './service.ts'

/** A context on a separate state directory, removed after the test. */
export async function testContext(o: { clock?: Clock } = {}): Promise<IdentityContext> {
  const stateDir = mkdtempSync(join(tmpdir(), 'strongroom-identity-'))
  onTestFinished(() => rmSync(stateDir, { recursive: true }))
  const { installation } = await openInstallation({ stateDir })
  return {
    installation,
    stateDir,
    storeUrl: `sqlite:${stateDir}`,
    sealer: createSealer(Uint8Array.from(randomBytes(32))),
    clock: o.clock ?? systemClock,
    logger: createLogger({ level: 'silent' }),
    newId: randomUUID,
    ownerRoutes: { '/public-names': async () => ({}), '/restart': async () => ({}) },
  }
}

/** A service on that context, closed after the test. */
export async function testService(context: IdentityContext): Promise<IdentityService> {
  const service = await createIdentityService(context)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= service.close())
  onTestFinished(close)
  return { ...service, close }
}

/** Posts to the owner's socket. @throws Error with the status, unless it is 200 */
export async function askOwnerSocket(socketPath: string, path: string, body: object): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method: 'POST' }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text))
        else reject(new Error(`${response.statusCode} ${text}`))
      })
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}
