import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { createHttpApp, ServiceError, type FastifyInstance, type FastifyReply, type Logger } from '@strongroom/platform'

/** Built by scripts/build-portal.ts from apps/portal. */
const portalDirectory: string = join(import.meta.dirname, '../../../portal/dist')

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Scripts, styles and pictures from this origin only, none inline; no text becomes markup, no page frames this one. */
const headers: Record<string, string> = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
}

/**
 * The portal's files. Names of scripts and styles contain their digest, so they are cached permanently; every path that
 * is not a file is a place inside the portal, and gets its page.
 */
export function createPortalApp(o: { logger: Logger; directory?: string }): FastifyInstance {
  const directory = o.directory ?? portalDirectory
  const app = createHttpApp({ name: 'portal', logger: o.logger })
  // The existing names: a request selects one of them and names no file.
  const files = new Set(list(directory))
  const send = async (reply: FastifyReply, name: string, accepts: string): Promise<FastifyReply> => {
    const packed = files.has(`${name}.gz`) && /\bgzip\b/.test(accepts)
    for (const [header, value] of Object.entries(headers)) reply.header(header, value)
    reply.header('cache-control', name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable')
    reply.header('vary', 'accept-encoding')
    if (packed) reply.header('content-encoding', 'gzip')
    const content = await readFile(join(directory, packed ? `${name}.gz` : name))
    return reply.type(types[extname(name)] ?? 'application/octet-stream').send(content)
  }
  app.get('/*', async (request, reply) => {
    if (!files.has('index.html')) throw notBuilt()
    const name = (request.url.split('?', 1)[0] ?? '/').slice(1)
    const accepts = String(request.headers['accept-encoding'] ?? '')
    if (name !== 'index.html' && files.has(name)) return await send(reply, name, accepts)
    // A file from before the portal was rebuilt.
    if (name.startsWith('assets/')) throw new ServiceError({ code: 'NotFound', message: 'There is no such file.' })
    return await send(reply, 'index.html', accepts)
  })
  return app
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true }) as string[]
  } catch {
    return []
  }
}

const notBuilt = (): ServiceError =>
  new ServiceError({
    code: 'PortalNotBuilt',
    message: 'The portal is not built.',
    remedy: 'Run scripts/setup.sh, then start the server again.',
  })
