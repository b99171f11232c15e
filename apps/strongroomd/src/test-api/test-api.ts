import { chmod, mkdir, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ControlPlaneService } from '@strongroom/control-plane'
import type { TestEvidence } from '@strongroom/host'
import {
  clearRequest,
  clockRequest,
  faultRequest,
  guestEvidenceRequest,
  nothingSaid,
  platformEvidenceRequest,
  testSocketWire,
  type ClockRequest,
  type TestStatus,
} from '@strongroom/contract/wires'
import {
  createHttpApp,
  Faults,
  read,
  serveWire,
  ServiceError,
  SettableClock,
  type Installation,
  type Logger,
} from '@strongroom/platform'

/** The test API's controls; created before the services that receive them. */
export interface TestApi {
  clock: SettableClock
  faults: Faults
}

/** @throws ServiceError TestApiRefused in hardware mode, where tenants rely on time and refusals */
export function createTestApi(installation: Installation): TestApi {
  if (installation.mode === 'simulated') return { clock: new SettableClock(), faults: new Faults() }
  throw new ServiceError({
    code: 'TestApiRefused',
    message: 'The test API is for installations in simulated mode.',
    expected: 'an installation in simulated mode',
    found: 'hardware mode',
    remedy: 'Leave --test-api out.',
  })
}

/** Certificates, collateral and leases are valid for at least this long. */
const furthestMs = 5 * 365 * 24 * 3600_000

/** `testSocketWire`, beside the owner's socket in the owner's private directory. */
export async function serveTestApi(o: {
  api: TestApi
  controlPlane: ControlPlaneService
  evidence: TestEvidence
  stateDir: string
  logger: Logger
}): Promise<{ close(): Promise<void> }> {
  const { clock, faults } = o.api
  const app = createHttpApp({ name: 'test-api', logger: o.logger, bodyLimit: 64 * 1024 })
  serveWire(app, testSocketWire)
  const record = async (action: string, id: string = randomUUID(), resourceId?: string): Promise<void> =>
    await o.controlPlane.record({ action: `Strongroom.Test/${action}`, id, ...(resourceId && { resourceId }) })
  faults.onApplied(async ({ fault, subject }) => {
    const resourceId = /^\/subscriptions\//i.test(subject) ? subject : undefined
    await record(`faults/${fault.kind}/applied`, fault.id, resourceId).catch((error: unknown) =>
      o.logger.error({ err: error }, 'an injected fault is not in the activity log'),
    )
  })
  const status = (): TestStatus => ({
    clock: { now: clock.now().toISOString(), aheadSeconds: clock.ahead / 1_000 },
    faults: faults.list(),
  })
  app.post('/status', async (request) => {
    requireNothing(request.body)
    return status()
  })
  app.post('/clock', async (request) => {
    moveClock(clock, read(clockRequest, request.body, { code: 'InvalidClock', subject: 'The clock request' }))
    await record('clock/set')
    return status()
  })
  app.post('/faults', async (request) => {
    const { once = false, ...wanted } = read(faultRequest, request.body, { code: 'InvalidFault', subject: 'The fault' })
    const fault = faults.inject({ ...wanted, once })
    await record(`faults/${fault.kind}/injected`, fault.id)
    return fault
  })
  app.post('/faults/clear', async (request) => {
    const { id } = read(clearRequest, request.body ?? {}, { code: 'InvalidFault', subject: 'The request' })
    if (id !== undefined && !faults.clear(id)) throw noFault(id)
    if (id === undefined) faults.clear()
    await record('faults/cleared')
    return status()
  })
  serveEvidence(app, o.evidence)
  app.post('/reset', async (request) => {
    requireNothing(request.body)
    const begun = performance.now()
    faults.clear()
    const resources = await o.controlPlane.reset()
    await record('reset')
    return { resources, milliseconds: Math.round(performance.now() - begun) }
  })
  const directory = join(o.stateDir, 'run')
  const path = join(directory, 'test.sock')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await rm(path, { force: true })
  await app.listen({ path })
  await chmod(path, 0o600)
  return {
    close: async () => {
      await app.close()
      await rm(path, { force: true })
    },
  }
}

function serveEvidence(app: ReturnType<typeof createHttpApp>, evidence: TestEvidence): void {
  const refused = { code: 'InvalidRequestContent', subject: 'The request' } as const
  app.post('/evidence/platform', async (request) => {
    const { runtimeData } = read(platformEvidenceRequest, request.body, refused)
    return await evidence.platform(Buffer.from(runtimeData, 'base64url'))
  })
  app.post('/evidence/guest', async (request) => {
    const { modulus } = read(guestEvidenceRequest, request.body, refused)
    return await evidence.guest(Buffer.from(modulus, 'base64url'))
  })
}

const requireNothing = (body: unknown): object =>
  read(nothingSaid, body ?? {}, { code: 'InvalidRequestContent', subject: 'The request' })

function moveClock(clock: SettableClock, { set, advance, reset }: ClockRequest): void {
  const ahead =
    reset === true
      ? 0
      : set !== undefined
        ? clock.ahead + (Date.parse(set) - clock.now().getTime())
        : advance !== undefined
          ? clock.ahead + advance * 1_000
          : Number.NaN
  // Before the real time TLS certificates would not be valid yet; far ahead the silicon's would have expired.
  if (!(ahead >= -1_000 && ahead <= furthestMs))
    throw new ServiceError({
      code: 'InvalidClock',
      message: 'The clock cannot be moved there.',
      expected: '{"set": a time}, {"advance": seconds} or {"reset": true}, from the real time to five years after it',
      found: JSON.stringify({ set, advance, reset }).slice(0, 100),
      remedy: 'Use a time in that range.',
    })
  if (reset === true) clock.reset()
  else clock.advance(ahead - clock.ahead)
}

const noFault = (id: string): ServiceError =>
  new ServiceError({
    code: 'FaultNotFound',
    message: `There is no fault '${id.slice(0, 60)}'.`,
    found: id.slice(0, 60),
    remedy: 'List them: `strongroom test status`.',
  })
