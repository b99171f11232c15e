import { ServiceError } from '@strongroom/platform'
import { parseTilePath } from '@strongroom/transparency'
import { shown } from '../core/errors.ts'
import { admit, type App, type AppParts } from './admission.ts'

const octets = 'application/octet-stream'
const text = 'text/plain; charset=utf-8'

/** The operation log of a vault as C2SP tlog-tiles, below /operationlog. Reading it is not itself recorded. */
export function addLogRoutes(app: App, parts: AppParts): void {
  app.get('/operationlog/checkpoint', async (request, reply) => {
    const { vault } = await admit(parts, request, 'readOperationLog')
    return reply.type(text).send(await parts.log.checkpoint(vault.name))
  })

  app.get('/operationlog/key', async (request, reply) => {
    const { vault } = await admit(parts, request, 'readOperationLog')
    return reply.type(text).send(`${parts.log.verifierKey(vault.name)}\n`)
  })

  app.get('/operationlog/tile/*', async (request, reply) => {
    const { vault } = await admit(parts, request, 'readOperationLog')
    const path = `tile/${(request.params as { '*': string })['*']}`
    const tile = parseTilePath(path)
    const bytes = tile && (await parts.log.tile(vault.name, tile))
    if (bytes) return reply.type(octets).send(Buffer.from(bytes))
    throw new ServiceError({
      code: 'TileNotFound',
      message: `The operation log of ${vault.name} has no ${shown(path)}.`,
      target: shown(path),
      expected: 'tile/L/N or tile/entries/N, with .p/W for a partial tile, within the size of the checkpoint',
      remedy: 'Read the checkpoint, then request tiles within its size.',
    })
  })
}
