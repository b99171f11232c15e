import type { Operation, OperationRunner, ServiceError } from '@strongroom/platform'
import { systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRights, type RightsPlane } from '../testing/rights-plane.ts'
import {
  accepted,
  asyncHeaders,
  monitorReply,
  OperationNotes,
  operationView,
  readOperation,
  unknownOperation,
} from './operations.ts'
import type { ArmRequest, Method } from './request.ts'

const request = (o: Partial<ArmRequest> = {}): ArmRequest =>
  ({
    method: 'PUT',
    path: '/p',
    origin: 'https://management.strongroom.internal',
    query: { 'api-version': '2023-01-01' },
    ...o,
  }) as ArmRequest
const operation = (o: object = {}): Operation =>
  ({
    id: 'op-1',
    status: 'Running',
    startedAt: 'S',
    steps: [{ name: 'a', state: 'Done' }],
    ...o,
  }) as unknown as Operation

let rights: RightsPlane
let notes: OperationNotes
beforeEach(async () => {
  rights = await openRights(() => [])
  notes = new OperationNotes(rights.resources, systemClock)
})
afterEach(async () => await rights.close())

describe('what the host reported', () => {
  const steps = [{ name: 'boot', state: 'Done' as const }] as Parameters<OperationNotes['writeSteps']>[1]

  it('is nothing until something is written, and then the last of it', async () => {
    expect(await notes.read('op-1')).toEqual({ steps: [], kept: false })
    await notes.writeSteps('op-1', [])
    await notes.writeSteps('op-1', steps)
    expect([await notes.read('op-1'), await notes.read('op-2')]).toEqual([
      { steps, kept: false },
      { steps: [], kept: false },
    ])
  })

  it('stays when the operation’s resources are kept, and the mark stays when more is reported', async () => {
    await notes.writeSteps('op-1', steps)
    await notes.keep('op-1')
    expect(await notes.read('op-1')).toEqual({ steps, kept: true })
    await notes.keep('op-2')
    expect(await notes.read('op-2')).toEqual({ steps: [], kept: true })
    await notes.writeSteps('op-2', steps)
    expect(await notes.read('op-2')).toEqual({ steps, kept: true })
  })

  it('is forgotten by day', async () => {
    await notes.writeSteps('op-1', steps)
    await notes.removeBefore(new Date(Date.now() - 60_000))
    expect((await notes.read('op-1')).steps).toEqual(steps)
    await notes.removeBefore(new Date(Date.now() + 60_000))
    expect((await notes.read('op-1')).steps).toEqual([])
  })
})

describe('an operation', () => {
  const view = async (o: object): Promise<unknown> =>
    await operationView({ operation: operation(o), notes, path: '/o' })
  const error = { code: 'E', message: 'm' }

  it.each([
    ['Running', 'InProgress'],
    ['Undoing', 'InProgress'],
    ['Succeeded', 'Succeeded'],
    ['Failed', 'Failed'],
    ['Canceled', 'Canceled'],
  ])('that is %s is shown as %s, with its end and error where it has come to them', async (status, shown) => {
    expect(await view({ status, endedAt: 'E', error })).toEqual({
      id: '/o',
      name: 'op-1',
      status: shown,
      startTime: 'S',
      ...(shown !== 'InProgress' && { endTime: 'E' }),
      ...(shown === 'Failed' && { error }),
      properties: { steps: [{ name: 'a', state: 'Done' }] },
    })
    expect(await view({ status })).not.toHaveProperty('endTime')
    expect(await view({ status })).not.toHaveProperty('error')
  })

  it('shows its own steps first, then the host’s, and what was kept as done', async () => {
    const steps = [
      { name: 'a', state: 'Undone', detail: 'd' },
      { name: 'b', state: 'Failed' },
    ]
    await notes.writeSteps('op-1', [{ name: 'boot', state: 'Undone' }] as never)
    const shown = async (): Promise<unknown> =>
      ((await view({ steps })) as { properties: { steps: object[] } }).properties.steps
    expect(await shown()).toEqual([...steps, { name: 'boot', state: 'Undone' }])
    await notes.keep('op-1')
    expect(await shown()).toEqual([{ ...steps[0], state: 'Done' }, steps[1], { name: 'boot', state: 'Undone' }])
  })

  it('is followed by headers, a PUT without a Location', () => {
    const where = { subscriptionId: 's', location: 'weu', operationId: 'op-1' }
    const base =
      'https://management.strongroom.internal/subscriptions/s/providers/Microsoft.Compute/locations/weu/operations/op-1'
    const common = { 'azure-asyncoperation': `${base}?api-version=2023-01-01`, 'retry-after': '1' }
    expect(asyncHeaders(request(), where)).toEqual(common)
    for (const method of ['POST', 'DELETE', 'PATCH'] as Method[])
      expect(asyncHeaders(request({ method }), where)).toEqual({
        ...common,
        location: `${base}?monitor=true&api-version=2023-01-01`,
      })
    expect(asyncHeaders(request({ query: {} }), where)['azure-asyncoperation']).toBe(`${base}?api-version=2024-11-01`)
  })

  it('is accepted with where to follow it, and with its resource where that is shown', () => {
    const headers = (method: Method): object =>
      asyncHeaders(request({ method }), { subscriptionId: 's', location: 'weu', operationId: 'op-1' })
    const accept = (method: Method, body?: Record<string, unknown>): unknown =>
      accepted({ subscriptionId: 's' }, request({ method }), { location: 'weu' }, { id: 'op-1' }, body)
    expect(accept('DELETE')).toStrictEqual({ status: 202, headers: headers('DELETE') })
    expect(accept('PUT', { a: 1 })).toStrictEqual({ status: 202, headers: headers('PUT'), body: { a: 1 } })
  })

  it('is found by an id of its form alone', async () => {
    const asked: string[] = []
    const get = async (id: string): ReturnType<OperationRunner['get']> => {
      asked.push(id)
      return await Promise.resolve(id === 'op-1' ? operation() : undefined)
    }
    const runner = { get } as unknown as OperationRunner
    expect(await readOperation(runner, 'op-1')).toEqual(operation())
    const longest = 'a'.repeat(64)
    for (const id of ['op-2', longest, '', `${longest}a`, 'a/b', 'a_b', 'op-1\n', ' op-1'])
      await expect(readOperation(runner, id)).rejects.toMatchObject({ status: 404, code: 'OperationNotFound' })
    expect(asked).toEqual(['op-1', 'op-2', longest])
    expect(unknownOperation('a'.repeat(100)).message).toBe(`The operation '${longest}' could not be found.`)
  })

  it('is monitored to its end: what it is then, or its error', async () => {
    const reply = async (o: object, more: Partial<ArmRequest> = {}): Promise<unknown> =>
      await monitorReply(request(more), operation(o)).catch(({ status, code, message, details }: ServiceError) => [
        status,
        code,
        message,
        details,
      ])
    for (const status of ['Running', 'Undoing'])
      expect(await reply({ status })).toEqual({
        status: 202,
        headers: {
          location: 'https://management.strongroom.internal/p?monitor=true&api-version=2023-01-01',
          'retry-after': '1',
        },
      })
    expect(await reply({ status: 'Running' }, { query: {} })).toMatchObject({
      headers: { location: 'https://management.strongroom.internal/p?monitor=true&api-version=' },
    })
    expect(await reply({ status: 'Succeeded', error })).toEqual({ status: 200 })
    expect(await reply({ status: 'Failed', error })).toEqual([409, 'E', 'm', undefined])
    expect(await reply({ status: 'Failed' })).toEqual([409, 'Failed', 'The operation ended as Failed.', undefined])
    const details = [{ code: 'D', message: 'd' }]
    expect(await reply({ status: 'Failed', error: { ...error, details } })).toEqual([409, 'E', 'm', details])
    expect(await reply({ status: 'Canceled' })).toEqual([
      409,
      'Canceled',
      'The operation ended as Canceled.',
      undefined,
    ])
  })
})
