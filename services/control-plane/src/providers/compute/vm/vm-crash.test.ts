import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type Store } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeWire } from '../../../testing/fake-wire.ts'
import {
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

let directory: string
let store: Store
const open: TestPlane[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-crash-'))
  store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
})
afterEach(async () => {
  for (const plane of open.splice(0)) await plane.service.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const start = async (wire: FakeWire): Promise<TestPlane> => {
  const plane = await openTestPlane(store, wire)
  open.push(plane)
  return plane
}

/** Sends a request, kills the server after the n-th call to the host or the vault took effect, and restarts it. */
async function dieAt(
  n: number,
  plane: TestPlane,
  send: () => Promise<TestReply>,
): Promise<{ next: TestPlane; reply: TestReply; died: boolean }> {
  const { wire } = plane
  let calls = 0
  let closing: Promise<void> | undefined
  const dead = new Promise<void>((resolve) => {
    wire.afterEffect = async (call) => {
      if (call.startsWith('GET') || ++calls !== n) return
      // The answer never arrives: the step took effect, and the server does not know.
      closing = plane.service.close()
      resolve()
      await new Promise((later) => setTimeout(later, 5))
      throw new Error('the server is dead')
    }
  })
  const reply = await send()
  const died = await Promise.race([
    dead.then(() => true),
    plane.follow(reply).then(
      () => false,
      () => true,
    ),
  ])
  await closing
  wire.afterEffect = undefined
  if (!died) return { next: plane, reply, died }
  open.splice(open.indexOf(plane), 1)
  // The host died with the server.
  for (const status of wire.instances.values()) status.power = { state: 'Stopped', since: '', steps: [] }
  return { next: await start(wire), reply, died }
}

const cores = async (plane: TestPlane): Promise<number> => {
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/usages`
  return (await plane.send('GET', path)).body.value[0].currentValue as number
}

describe('a server that dies', () => {
  // Creation calls the vault once, then the host twice.
  it.each([1, 2, 3])('after call %i of a creation makes the VM once, with one key', async (n) => {
    const plane = await start(new FakeWire())
    await makeNetwork(plane, 'vm1')
    const { next, reply, died } = await dieAt(
      n,
      plane,
      async () => await plane.send('PUT', vmPath('vm1'), vmRequest('vm1')),
    )
    expect(died).toBe(true)
    expect((await next.follow(reply)).status).toBe('Succeeded')
    const { body } = await next.send('GET', `${vmPath('vm1')}?$expand=instanceView`)
    expect([body.properties.provisioningState, body.properties.instanceView.statuses[1].code]).toEqual([
      'Succeeded',
      'PowerState/running',
    ])
    expect(next.wire.calls.filter((call) => call.path.endsWith('/create'))).toHaveLength(1)
    expect([next.wire.instances.size, next.wire.keys.size, await cores(next)]).toEqual([1, 1, 2])
  })

  it.each([1, 2, 3])('after call %i of taking a failed creation back leaves nothing of it', async (n) => {
    const plane = await start(new FakeWire())
    await makeNetwork(plane, 'vm1')
    plane.wire.provisioningError = { code: 'StorageFull', message: 'The disk is full.' }
    const { next, reply, died } = await dieAt(
      2 + n,
      plane,
      async () => await plane.send('PUT', vmPath('vm1'), vmRequest('vm1')),
    )
    expect(died).toBe(true)
    expect((await next.follow(reply)).status).toBe('Failed')
    expect([next.wire.instances.size, next.wire.keys.size, next.wire.deletedKeys.size, await cores(next)]).toEqual([
      0, 0, 0, 0,
    ])
  })

  it.each([1, 2, 3])('after call %i of a deletion ends with the VM gone', async (n) => {
    const plane = await start(new FakeWire())
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const { next, reply, died } = await dieAt(n, plane, async () => await plane.send('DELETE', vmPath('vm1')))
    expect(died).toBe(true)
    expect((await next.follow(reply)).status).toBe('Succeeded')
    expect((await next.send('GET', vmPath('vm1'))).status).toBe(404)
    expect([next.wire.instances.size, next.wire.keys.size, next.wire.deletedKeys.size, await cores(next)]).toEqual([
      0, 0, 0, 0,
    ])
  })

  it.each(['start', 'restart', 'powerOff', 'deallocate'])('in the midst of %s ends it as asked', async (action) => {
    const plane = await start(new FakeWire())
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    if (action === 'start') await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    const { next, reply } = await dieAt(1, plane, async () => await plane.send('POST', `${vmPath('vm1')}/${action}`))
    expect((await next.follow(reply)).status).toBe('Succeeded')
    const { body } = await next.send('GET', `${vmPath('vm1')}/instanceView`)
    const expected = { start: 'running', restart: 'running', powerOff: 'stopped', deallocate: 'deallocated' }[action]
    expect(body.statuses[1].code).toBe(`PowerState/${expected}`)
    expect(await cores(next)).toBe(action === 'deallocate' ? 0 : 2)
  })
})
