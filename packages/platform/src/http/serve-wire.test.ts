import { integer, named, object } from '@strongroom/contract/shape'
import type { Wire } from '@strongroom/contract/wires'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../log/logger.ts'
import { createHttpApp } from './app.ts'
import { serveWire } from './serve-wire.ts'

const wire: Wire = {
  name: 'lamp',
  version: '1',
  title: 'Lamp',
  about: 'A lamp.',
  server: 'https://lamp.example',
  security: 'bearer',
  operations: [
    {
      method: 'PUT',
      path: '/lamps/:name',
      summary: 'Sets it',
      body: named('Lamp', object({ level: integer(0, 9) })),
      status: 204,
    },
  ],
}

function appOf(described: Wire, routes: readonly string[]): ReturnType<typeof createHttpApp> {
  const app = createHttpApp({ name: 'lamp', logger: createLogger({ level: 'silent' }) })
  serveWire(app, described)
  app.addHook('onRequest', async () => {
    throw new Error('nobody passes')
  })
  for (const route of routes) {
    const [method = '', url = ''] = route.split(' ')
    app.route({ method, url, handler: async () => 'answered' })
  }
  return app
}

describe('a wire that is served with its description', () => {
  it('describes itself to anyone, and lets nobody else past', async () => {
    const app = appOf(wire, ['PUT /lamps/:name'])
    const answer = await app.inject({ method: 'GET', url: '/openapi.json' })
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    const document = answer.json<{ openapi: string; components: { schemas: Record<string, unknown> } }>()
    expect(document.openapi).toBe('3.1.0')
    expect(document.components.schemas['Lamp']).toMatchObject({ required: ['level'], additionalProperties: false })
    for (const [method, url] of [
      ['PUT', '/lamps/hall'],
      ['POST', '/openapi.json'],
      ['GET', '/openapi.json/..'],
    ] as const)
      expect((await app.inject({ method, url })).statusCode).toBeGreaterThan(399)
    await app.close()
  })

  it.each([
    ['a route that is not described', ['PUT /lamps/:name', 'GET /lamps'], 'GET /lamps is not described'],
    ['a description that nothing answers', [], 'nothing answers PUT /lamps/:name'],
    ['another method', ['POST /lamps/:name'], 'POST /lamps/:name is not described; nothing answers PUT /lamps/:name'],
  ])('does not start with %s', async (_name, routes, message) => {
    await expect(appOf(wire, routes).ready()).rejects.toThrow(`wire lamp: ${message}`)
  })

  it('lets routes of another wire stand beside its own where it says which are its own', async () => {
    const shared = { ...wire, owns: /^\w+ \/lamps/ }
    await appOf(shared, ['PUT /lamps/:name', 'GET /azure']).ready()
    await expect(appOf(shared, ['PUT /lamps/:name', 'GET /lamps/:name/bulb']).ready()).rejects.toThrow('/bulb')
  })
})
