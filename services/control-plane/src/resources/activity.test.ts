import { randomUUID } from 'node:crypto'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { FakeWire } from '../testing/fake-wire.ts'
import {
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../testing/test-plane.ts'

const log = `/subscriptions/${subscriptionId}/providers/Microsoft.Insights/eventtypes/management/values`

const groups = `/subscriptions/${subscriptionId}/resourceGroups`
/** A change, with the owner's rights. */
const write = async (plane: TestPlane, correlation: string): Promise<void> => {
  const headers = { 'x-ms-correlation-request-id': correlation }
  expect((await plane.send('PUT', `${groups}/n`, { location: 'westeurope' }, { headers })).status).toBeLessThan(300)
}

describeStores('the activity log on the wire', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const start = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open(), new FakeWire())
    planes.push(plane)
    return plane
  }
  const eventsOf = async (plane: TestPlane, id: string): Promise<Loose[]> => {
    const reply = await plane.send('GET', `${log}?$filter=${encodeURIComponent(`resourceUri eq '${id}'`)}`)
    return reply.body.value as Loose[]
  }

  it('names the operation of each request that went on after its answer, whose steps stay to be read', async () => {
    const plane = await start()
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })
    const [tagged, off, made, ...more] = await eventsOf(plane, vmPath('vm1'))
    expect(more).toEqual([])
    expect(tagged).not.toHaveProperty('operationId')
    // .NET clients fail on events without one of these.
    expect(tagged).toMatchObject({
      description: '',
      category: { value: 'Administrative' },
      properties: { entity: vmPath('vm1'), statusCode: '200' },
    })
    const steps = async ({ operationId }: Loose): Promise<string[]> => {
      const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/operations/${operationId}`
      const { body } = await plane.send('GET', path)
      expect(body.status).toBe('Succeeded')
      return (body.properties.steps as Loose[]).map(({ name }) => name as string)
    }
    expect(await steps(made!)).toContain('boot until the guest is ready')
    expect(await steps(off!)).not.toContain('boot until the guest is ready')
  })

  it('of a machine has no event of one whose name begins alike', async () => {
    const plane = await start()
    for (const name of ['vm1', 'vm10']) {
      await makeNetwork(plane, name)
      await plane.run('PUT', vmPath(name), vmRequest(name))
    }
    const ids = (await eventsOf(plane, vmPath('vm1'))).map(({ resourceId }) => resourceId as string)
    expect(ids).toEqual([vmPath('vm1')])
  })

  it('comes in pages, each event once, with what was asked for in each nextLink', async () => {
    const plane = await start()
    for (let row = 0; row < 205; row++) await write(plane, 'paged')
    const ask = `$filter=${encodeURIComponent("correlationId eq 'paged'")}`
    const pagesFrom = async (query: string): Promise<string[][]> => {
      const pages: string[][] = []
      let path: string | undefined = `${log}?${query}`
      while (path !== undefined) {
        const { status, body }: Awaited<ReturnType<TestPlane['send']>> = await plane.send('GET', path)
        expect(status).toBe(200)
        pages.push((body.value as Loose[]).map(({ eventDataId }) => eventDataId as string))
        const next = body['nextLink'] as string | undefined
        if (next !== undefined) expect(new URL(next).searchParams.get('$filter')).toBe("correlationId eq 'paged'")
        path = next === undefined ? undefined : next.slice(new URL(next).origin.length)
      }
      return pages
    }
    const standard = await pagesFrom(ask)
    expect(standard.map(({ length }) => length)).toEqual([200, 5])
    const small = await pagesFrom(`${ask}&$top=41`)
    expect(small.map(({ length }) => length)).toEqual([41, 41, 41, 41, 41])
    expect(small.flat()).toEqual(standard.flat())
    expect(new Set(small.flat()).size).toBe(205)
    for (const token of ['zzz', Buffer.from('/2026/x').toString('base64url')]) {
      const { status, body } = await plane.send('GET', `${log}?$skiptoken=${token}`)
      expect([status, body['error'].code, body['error'].target]).toEqual([
        400,
        'InvalidQueryParameterValue',
        '$skiptoken',
      ])
    }
  })

  it('is limited to a time, as az asks for it', async () => {
    const plane = await start()
    await write(plane, 'timed')
    const within = async (from: string, to: string): Promise<number> => {
      const filter = `eventTimestamp ge '${from}' and eventTimestamp le '${to}' and correlationId eq 'timed'`
      const { body } = await plane.send('GET', `${log}?$filter=${encodeURIComponent(filter)}`)
      return (body.value as Loose[]).length
    }
    expect(await within('2020-01-01T00:00:00Z', '2999-01-01T00:00:00Z')).toBe(1)
    expect(await within('2020-01-01T00:00:00Z', '2020-01-02T00:00:00Z')).toBe(0)
  })

  it('has few entries of one caller’s failed requests, and counts the others (attack W50)', async () => {
    const plane = await start()
    const [stranger, other] = [randomUUID(), randomUUID()]
    const fail = async (as: string, name = 'n'): Promise<void> => {
      const headers = { 'x-ms-correlation-request-id': 'refused' }
      expect((await plane.send('PUT', `${groups}/${name}`, {}, { as, headers })).status).toBe(403)
    }
    for (let request = 0; request < 180; request++) await fail(stranger)
    await fail(other, 'x'.repeat(5_000))
    // What succeeds is recorded, however much has failed.
    await write(plane, 'refused')
    const filter = encodeURIComponent("correlationId eq 'refused'")
    const events = async (): Promise<Loose[]> =>
      (await plane.send('GET', `${log}?$filter=${filter}`)).body.value as Loose[]
    const failed = (await events()).filter(({ caller, level }) => caller === stranger && level === 'Error')
    expect(failed).toHaveLength(50)
    const left = failed.filter(({ description }) => description !== '')
    expect(left).toMatchObject([{ properties: { leftOut: '130' }, description: expect.stringMatching(/^130 later/) }])
    expect((await events()).filter(({ caller }) => caller === other)).toMatchObject([
      { description: '', resourceId: `${groups}/${'x'.repeat(5_000)}`.slice(0, 2_048) },
    ])
    expect((await events()).filter(({ level }) => level !== 'Error')).toHaveLength(1)
    for (let request = 0; request < 5; request++) await fail(stranger)
    expect((await events()).map(({ properties }) => properties.leftOut as unknown).filter(Boolean)).toEqual(['135'])
  })
})
