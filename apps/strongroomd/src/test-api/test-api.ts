import { chmod, mkdir, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ControlPlaneService } from '@strongroom/control-plane'
import {
  createHttpApp,
  faultKinds,
  Faults,
  ServiceError,
  SettableClock,
  type Fault,
  type FaultKind,
  type Installation,
  type Logger,
} from '@strongroom/platform'

/** What the test API moves and breaks; made before the services that are given it. */
export interface TestApi {
  clock: SettableClock
  faults: Faults
}

/** @throws ServiceError TestApiRefused in hardware mode: there, time and refusals are what tenants rely on */
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

/** Certificates, collateral and leases are made for so long ahead at the least. */
const furthestMs = 5 * 365 * 24 * 3600_000

type Body = Record<string, unknown>

/**
 * STATE/run/test.sock, beside the owner's socket in the directory that the owner alone may enter: HTTP, POST, JSON.
 * /status {} · /clock {"set": TIME} | {"advance": SECONDS} | {"reset": true} · /faults {"kind", …} · /faults/clear {"id"?}
 * · /reset {}
 */
export async function serveTestApi(o: {
  api: TestApi
  controlPlane: ControlPlaneService
  stateDir: string
  logger: Logger
}): Promise<{ close(): Promise<void> }> {
  const { clock, faults } = o.api
  const app = createHttpApp({ name: 'test-api', logger: o.logger, bodyLimit: 64 * 1024 })
  const record = async (action: string, id: string = randomUUID(), resourceId?: string): Promise<void> =>
    await o.controlPlane.record({ action: `Strongroom.Test/${action}`, id, ...(resourceId && { resourceId }) })
  faults.onApplied(async ({ fault, subject }) => {
    const resourceId = /^\/subscriptions\//i.test(subject) ? subject : undefined
    await record(`faults/${fault.kind}/applied`, fault.id, resourceId).catch((error: unknown) =>
      o.logger.error({ err: error }, 'an injected fault is not in the activity log'),
    )
  })
  const status = (): object => ({
    clock: { now: clock.now().toISOString(), aheadSeconds: clock.ahead / 1_000 },
    faults: faults.list(),
  })
  app.post('/status', async () => status())
  app.post('/clock', async (request) => {
    moveClock(clock, (request.body ?? {}) as Body)
    await record('clock/set')
    return status()
  })
  app.post('/faults', async (request) => {
    const fault = faults.inject(readFault((request.body ?? {}) as Body))
    await record(`faults/${fault.kind}/injected`, fault.id)
    return fault
  })
  app.post('/faults/clear', async (request) => {
    const { id } = (request.body ?? {}) as Body
    if (id !== undefined && (typeof id !== 'string' || !faults.clear(id))) throw noFault(JSON.stringify(id))
    if (id === undefined) faults.clear()
    await record('faults/cleared')
    return status()
  })
  app.post('/reset', async () => {
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

function moveClock(clock: SettableClock, { set, advance, reset }: Body): void {
  const ahead =
    reset === true
      ? 0
      : typeof set === 'string' && /^\d{4}-\d{2}-\d{2}T/.test(set)
        ? clock.ahead + (Date.parse(set) - clock.now().getTime())
        : typeof advance === 'number'
          ? clock.ahead + advance * 1_000
          : Number.NaN
  // Behind the real time certificates of TLS would not be valid yet, far ahead those of the silicon would be no more.
  if (!(ahead >= -1_000 && ahead <= furthestMs))
    throw new ServiceError({
      code: 'InvalidClock',
      message: 'The clock cannot be moved there.',
      expected: '{"set": a time}, {"advance": seconds} or {"reset": true}, from the real time to five years after it',
      found: JSON.stringify({ set, advance, reset }).slice(0, 100),
      remedy: 'Name a time in that range.',
    })
  if (reset === true) clock.reset()
  else clock.advance(ahead - clock.ahead)
}

function readFault(body: Body): Omit<Fault, 'id'> {
  const { kind, once, target, step, milliseconds, ...rest } = body
  const wrong = (name: string, expected: string): ServiceError =>
    new ServiceError({
      code: 'InvalidFault',
      message: `The fault's ${name} is not understood.`,
      target: name,
      expected,
      found: (JSON.stringify(body[name]) ?? 'nothing').slice(0, 100),
      remedy: 'docs/testing.md lists the faults.',
    })
  if (!faultKinds.includes(kind as FaultKind)) throw wrong('kind', faultKinds.join(', '))
  if (once !== undefined && typeof once !== 'boolean') throw wrong('once', 'true or false')
  const text = (name: string, value: unknown): string | undefined => {
    if (value === undefined || (typeof value === 'string' && value.length <= 500)) return value
    throw wrong(name, 'text of at most 500 characters')
  }
  const most = 600_000
  if (
    milliseconds !== undefined &&
    !(Number.isInteger(milliseconds) && Number(milliseconds) > 0 && Number(milliseconds) <= most)
  )
    // prettier-ignore
    throw wrong('milliseconds', `a whole number from 1 to ${most}`)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw wrong(unknown, 'kind, once, target, step or milliseconds')
  const [where, at] = [text('target', target), text('step', step)]
  return {
    kind: kind as FaultKind,
    once: once === true,
    ...(where !== undefined && { target: where }),
    ...(at !== undefined && { step: at }),
    ...(milliseconds !== undefined && { milliseconds: Number(milliseconds) }),
  }
}

const noFault = (id: string): ServiceError =>
  new ServiceError({
    code: 'FaultNotFound',
    message: `There is no fault '${id.slice(0, 60)}'.`,
    found: id.slice(0, 60),
    remedy: 'List them: `strongroom test status`.',
  })
