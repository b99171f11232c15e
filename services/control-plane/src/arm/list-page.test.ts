import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { openTestPlane, subscriptionId, type Loose, type TestPlane } from '../testing/test-plane.ts'

const groupOf = (name: string): string => `/subscriptions/${subscriptionId}/resourceGroups/${name}`
const type = 'Microsoft.Network/publicIPAddresses'
const names = ['a', 'a-b', 'A_b', 'ab', 'a.c', 'B', 'b-1', 'b10', 'b2', 'c', 'Z', 'z-9']

async function filled(plane: TestPlane): Promise<void> {
  for (const group of ['one', 'Two']) {
    await plane.send('PUT', groupOf(group), { location: 'westeurope' })
    for (const name of names)
      await plane.send('PUT', `${groupOf(group)}/providers/${type}/${name}`, { location: 'westeurope' })
  }
  await plane.send('PUT', `${groupOf('one')}/providers/Microsoft.Network/networkSecurityGroups/nsg`, {
    location: 'westeurope',
  })
}

const spec = `${groupOf('one')}/providers/Microsoft.Resources/templateSpecs/spec`
const gallery = `${groupOf('one')}/providers/Microsoft.Compute/galleries/gallery`
const definition = `${gallery}/images/image`

/** Nested resources, each beside a neighbour whose name has the same prefix; and six more groups. */
async function nested(plane: TestPlane): Promise<void> {
  const location = 'westeurope'
  const put = async (path: string, properties: object): Promise<void> => {
    const reply = await plane.send('PUT', path, { location, properties })
    expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300)
    if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
  }
  for (let n = 0; n < 6; n += 1) await put(groupOf(`more${n}`), {})
  for (const path of [spec, `${spec}2`]) await put(path, {})
  for (let n = 0; n < 7; n += 1) await put(`${spec}/versions/${n}`, { mainTemplate: { resources: [] } })
  await put(`${spec}2/versions/0`, { mainTemplate: { resources: [] } })
  const disk = `${groupOf('one')}/providers/Microsoft.Compute/disks/os`
  await put(disk, { osType: 'Linux', creationData: { createOption: 'Import', sourceUri: 'file:///os.vhd' } })
  await put(gallery, {})
  for (const name of ['image', 'image2']) {
    const identifier = { publisher: 'p', offer: 'o', sku: name }
    const path = `${gallery}/images/${name}`
    await put(path, { osType: 'Linux', osState: 'Generalized', hyperVGeneration: 'V2', identifier })
    for (let n = 0; n < (name === 'image' ? 7 : 1); n += 1)
      await put(`${path}/versions/1.0.${n}`, { storageProfile: { source: { id: disk } } })
  }
}

/** Names on each page, following `nextLink` unchanged. */
async function follow(
  plane: TestPlane,
  path: string,
  between: (page: string[]) => Promise<unknown> = async () => {},
): Promise<string[][]> {
  const pages: string[][] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const { status, body }: { status: number; body: Loose } = await plane.send('GET', next)
    expect(status, JSON.stringify(body)).toBe(200)
    const page = (body.value as Loose[]).map(({ id }) => (id as string).split('/').slice(4).join('/'))
    pages.push(page)
    const url = body.nextLink === undefined ? undefined : new URL(body.nextLink as string)
    next = url && url.pathname + url.search
    await between(page)
  }
  return pages
}

describeStores('pages of a list', (open) => {
  it('have every resource of a group or of the subscription once, in one order, and as many as are asked for', async () => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    await filled(plane)
    await nested(plane)
    for (const [path, total] of [
      [`${groupOf('one')}/providers/${type}`, names.length],
      [`/subscriptions/${subscriptionId}/providers/${type}`, 2 * names.length],
      // Filters that the store cannot apply; template specs and their versions included.
      [`${groupOf('ONE')}/resources`, names.length + 1 + 12 + 2 + 8],
      [`/subscriptions/${subscriptionId}/resourcegroups`, 8],
      [`${spec}/versions`, 7],
      [`${definition}/versions`, 7],
      [`${groupOf('one')}/resources?$filter=resourceType eq '${type}'`, names.length],
    ] as const) {
      const whole = await follow(plane, path)
      expect(whole, path).toHaveLength(1)
      const pages = await follow(plane, `${path}${path.includes('?') ? '&' : '?'}$top=5`)
      expect(pages.flat(), path).toEqual(whole[0])
      expect(new Set(pages.flat()).size).toBe(total)
      expect(pages.map(({ length }) => length)).toEqual([
        ...Array.from({ length: Math.ceil(total / 5) - 1 }, () => 5),
        total - 5 * (Math.ceil(total / 5) - 1),
      ])
    }
    await plane.service.close()
  })

  it('neither double nor hide a resource when others go and come meanwhile, and end where all behind are gone', async () => {
    const plane = await openTestPlane(await open())
    await filled(plane)
    const list = `${groupOf('one')}/providers/${type}`
    const [whole = []] = await follow(plane, list)
    const seen = await follow(plane, `${list}?$top=3`, async (page) => {
      // The one after which the next page begins.
      await plane.send('DELETE', `/subscriptions/${subscriptionId}/resourceGroups/${page.at(-1)}`)
      await plane.send('DELETE', `/subscriptions/${subscriptionId}/resourceGroups/${page[0]}`)
    })
    expect(seen.flat()).toEqual(whole)
    const { body } = await plane.send('GET', `${list}?$top=2`)
    for (const name of names) await plane.send('DELETE', `${list}/${name}`)
    const { pathname, search } = new URL(body.nextLink as string)
    expect((await plane.send('GET', pathname + search)).body).toEqual({ value: [] })
    await plane.service.close()
  })

  it('are read as pages: what lies behind one is not looked at for it', async () => {
    const store = await open()
    const plane = await openTestPlane(store)
    await filled(plane)
    const list = `${groupOf('one')}/providers/${type}`
    const [whole = []] = await follow(plane, list)
    const last = `/subscriptions/${subscriptionId}/resourceGroups/${whole.at(-1)}`.toLowerCase()
    await store.db.updateTable('resource').set({ body: 'no JSON' }).where('key', '=', last).execute()
    expect((await plane.send('GET', `${list}?$top=4`)).status).toBe(200)
    expect((await plane.send('GET', list)).status).toBe(500)
    await plane.service.close()
  })
})
