import { request as httpRequest } from 'node:http'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { managementHost } from '@strongroom/contract'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../testing/running.ts'
import { makeVm } from '../testing/simulated-vm.ts'
import { createTestApi } from './test-api.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation({ testApi: true })
})
afterAll(async () => await installation.close())
afterEach(async () => {
  await ask('/faults/clear')
  await ask('/clock', { reset: true })
})

const socket = (): string => join(installation.running.context.stateDir, 'run/test.sock')

interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  body: any
}

/** As `strongroom test` and curl send it. */
async function ask(path: string, body: object = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = httpRequest(
      { socketPath: socket(), path, method: 'POST', headers: { 'content-type': 'application/json' } },
      (received) => {
        let text = ''
        received.on('data', (chunk: Buffer) => (text += chunk.toString()))
        received.on('end', () => resolve({ status: received.statusCode ?? 0, body: JSON.parse(text) as unknown }))
      },
    )
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

const failure = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'nothing failed',
    (error: unknown) => `${(error as { code?: string }).code ?? ''} ${(error as Error).message}`,
  )

const activity = async (): Promise<string[]> => {
  const path = `${installation.subscription}/providers/Microsoft.Insights/eventtypes/management/values`
  const { value } = await installation.arm<{ value: { operationName: { value: string } }[] }>('GET', path)
  return value.map(({ operationName }) => operationName.value)
}

describe('the test API', () => {
  it('is open to the owner of the state directory alone, and not at all in hardware mode', async () => {
    expect((await stat(socket())).mode & 0o777).toBe(0o600)
    const hardware = { ...installation.running.context.installation, mode: 'hardware' as const }
    expect(() => createTestApi(hardware)).toThrow('The test API is for installations in simulated mode.')
    const missing = await startTestInstallation()
    try {
      await expect(stat(join(missing.running.context.stateDir, 'run/test.sock'))).rejects.toThrow('ENOENT')
    } finally {
      await missing.close()
    }
  })

  it('fails a boot at the step it is told to, once, and the activity log says that it was injected', async () => {
    const { body: fault } = await ask('/faults', {
      kind: 'boot-failure',
      once: true,
      target: 'broken',
      step: 'Release key',
    })
    const failed = await failure(makeVm(installation, { name: 'broken', size: 'Standard_DC2as_v5' }))
    expect(failed).toContain('InjectedBootFailure')
    expect(failed).toContain("at 'Release key'")
    expect((await ask('/status')).body.faults).toEqual([])
    const vm = `${installation.subscription}/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/broken`
    await installation.run('POST', `${vm}/start`)
    expect(fault.kind).toBe('boot-failure')
    expect(await activity()).toEqual(
      expect.arrayContaining([
        'Strongroom.Test/faults/boot-failure/injected',
        'Strongroom.Test/faults/boot-failure/applied',
      ]),
    )
  })

  it('takes attestation away, disables a key, until it is cleared', async () => {
    const vm = await makeVm(installation, { name: 'proven', size: 'Standard_DC2as_v5' })
    const evidence = async (): Promise<unknown> => await installation.arm('POST', `${vm}/retrieveBootEvidence`)
    await ask('/faults', { kind: 'attestation-down' })
    expect(await failure(evidence())).toContain('ServiceUnavailable')
    await ask('/faults/clear')
    await ask('/faults', { kind: 'key-disabled' })
    expect(await failure(evidence())).toContain('KeyReleaseRefused')
    await ask('/faults/clear')
    expect(await evidence()).toMatchObject({ guestRan: false })
  })

  it('throttles, has no quota, and is slow', async () => {
    await ask('/faults', {
      kind: 'throttling',
      once: true,
      target: 'providers/Microsoft.Compute/skus',
      // Longer than the installation's own client waits (throttled.ts).
      milliseconds: 37_000,
    })
    const skus = `${installation.subscription}/providers/Microsoft.Compute/skus`
    const { token } = await installation.owner.getToken('https://management.azure.com/.default')
    const throttled = await installation.wire
      .request({ method: 'GET', url: `https://${managementHost}${skus}?api-version=2024-11-01`, token })
      .catch((error: unknown) => error)
    expect(throttled).toMatchObject({ status: 429, code: 'TooManyRequests', headers: { 'retry-after': '37' } })
    await installation.arm('GET', skus)
    await ask('/faults', { kind: 'quota-zero', target: 'standardDCASv5Family', once: true })
    const refused = await failure(makeVm(installation, { name: 'late', size: 'Standard_DC2as_v5' }))
    expect(refused).toContain('Current Limit: 0,')
    await ask('/faults', { kind: 'slow-operation', once: true, milliseconds: 700, target: '/late' })
    const begun = performance.now()
    await makeVm(installation, { name: 'late', size: 'Standard_DC2as_v5' })
    expect(performance.now() - begun).toBeGreaterThan(700)
  })

  it('moves the clock: tokens expire, usage is counted, boots go on being attested', async () => {
    const vm = await makeVm(installation, { name: 'aged', size: 'Standard_DC2as_v5' })
    const { token } = await installation.owner.getToken('https://management.azure.com/.default')
    const read = async (): Promise<unknown> =>
      await installation.wire.request({
        method: 'GET',
        url: `https://${managementHost}${vm}?api-version=2024-11-01`,
        token,
      })
    await read()
    const moved = await ask('/clock', { advance: 3 * 24 * 3600 })
    expect(moved.body.clock.aheadSeconds).toBe(3 * 24 * 3600)
    expect(await failure(read())).toContain('ExpiredAuthenticationToken')
    const path = `${installation.subscription}/providers/Microsoft.CostManagement/query`
    const dataset = {
      granularity: 'None',
      aggregation: { hours: { name: 'UsageQuantity', function: 'Sum' } },
      grouping: [
        { type: 'Dimension', name: 'Meter' },
        { type: 'Dimension', name: 'ResourceId' },
      ],
    }
    const from = new Date(Date.now() - 24 * 3600_000).toISOString().slice(0, 10)
    const to = new Date(Date.now() + 5 * 24 * 3600_000).toISOString().slice(0, 10)
    const asked = { type: 'Usage', timeframe: 'Custom', timePeriod: { from, to }, dataset }
    const { properties } = await installation.arm<{ properties: { rows: [number, string, string, string][] } }>(
      'POST',
      path,
      asked,
    )
    const ofVm = properties.rows.find(([, meter, id]) => meter === 'compute' && id === vm.toLowerCase())
    expect(ofVm?.[0], JSON.stringify(properties.rows)).toBeCloseTo(72, 1)
    expect(await installation.arm('POST', `${vm}/retrieveBootEvidence`)).toMatchObject({ guestRan: false })
    expect((await ask('/clock', { set: '1999-01-01T00:00:00Z' })).body.error.code).toBe('InvalidClock')
    expect((await ask('/clock', { advance: 1e12 })).status).toBe(400)
    expect((await ask('/clock', { reset: true })).body.clock.aheadSeconds).toBe(0)
  })

  it('refuses a fault that it does not know, and one that is gone', async () => {
    for (const wrong of [
      {},
      { kind: 'fire' },
      { kind: 'throttling', milliseconds: 0 },
      { kind: 'throttling', targt: 'x' },
    ])
      expect(await ask('/faults', wrong)).toMatchObject({ status: 400, body: { error: { code: 'InvalidFault' } } })
    expect((await ask('/faults/clear', { id: 'none' })).body.error.code).toBe('FaultNotFound')
  })

  it('resets within a second: no resource, no quota in use, no fault; and everything can be made again', async () => {
    await ask('/faults', { kind: 'throttling', target: 'nothing' })
    const reset = await ask('/reset')
    expect(reset.body.resources).toBeGreaterThan(3)
    const groups = await installation.arm<{ value: unknown[] }>('GET', `${installation.subscription}/resourceGroups`)
    expect(groups.value).toEqual([])
    const usages = await installation.arm<{ value: { currentValue: number }[] }>(
      'GET',
      `${installation.subscription}/providers/Microsoft.Compute/locations/westeurope/usages`,
    )
    expect(usages.value.every(({ currentValue }) => currentValue === 0)).toBe(true)
    expect((await ask('/status')).body.faults).toEqual([])
    expect(await activity()).toEqual(['Strongroom.Test/reset'])
    const vm = await makeVm(installation, { name: 'proven', size: 'Standard_DC2as_v5' })
    expect(await installation.arm('POST', `${vm}/retrieveBootEvidence`)).toMatchObject({ guestRan: false })
  })
})
