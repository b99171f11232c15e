import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { diskBlobHost, fixedVhdFooter, vhdFooterLength } from '@strongroom/contract'
import { createHttpApp, ServiceError, type Logger } from '@strongroom/platform'
import type { AccessGrants, BlobPart, OpenGrant } from '../disks/stored/access-grants.ts'

type HttpApp = ReturnType<typeof createHttpApp>

/** The file behind an address. */
export interface BlobFile {
  path: string
  /** A disk is served as a fixed VHD, as Azure does: raw data and a footer. An upload in progress is served as written. */
  footer: boolean
}

/** Maximum size of one write, as for Azure's page blobs. */
const pageLimit = 4 * 1024 * 1024
const page = 512

interface Path {
  Params: { id: string; part: string }
  Querystring: { comp?: string }
}

/**
 * Serves the addresses from `POST /disks/{id}/access`. The address is the only credential: no token is required, and a
 * wrong, expired or revoked one gets nothing.
 */
export function createBlobApp(o: {
  grants: AccessGrants
  /** @throws ServiceError if the disk cannot be read now */
  locate(id: string, part: BlobPart, permission: OpenGrant['permission']): Promise<BlobFile>
  logger: Logger
}): HttpApp {
  const app = createHttpApp({ name: 'blob', logger: o.logger, bodyLimit: pageLimit })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  const open_ = async (url: string): Promise<OpenGrant & BlobFile> => {
    const grant = await o.grants.open(`https://${diskBlobHost}${url}`)
    return { ...grant, ...(await o.locate(grant.id, grant.part, grant.permission)) }
  }
  app.route<Path>({
    method: ['GET', 'HEAD'],
    url: '/:id/:part',
    handler: async (request, reply) => {
      const blob = await open_(request.url)
      const { size } = await stat(blob.path)
      const total = size + (blob.footer ? vhdFooterLength : 0)
      const range = readRange(request.headers['x-ms-range'] ?? request.headers.range, total)
      reply.headers({
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        'x-ms-blob-type': 'PageBlob',
        'x-ms-version': '2024-11-04',
      })
      const { first, last } = range ?? { first: 0, last: total - 1 }
      if (range !== undefined) reply.code(206).header('content-range', `bytes ${first}-${last}/${total}`)
      reply.header('content-length', last - first + 1)
      if (request.method === 'HEAD') return await reply.send()
      return await reply.send(Readable.from(bytesOf(blob, size, first, last), { objectMode: false }))
    },
  })
  app.put<Path>('/:id/:part', async (request, reply) => {
    const blob = await open_(request.url)
    if (blob.permission !== 'Write') throw readOnly()
    if (request.query.comp === undefined) {
      // Put Blob: the length was fixed when the disk was created.
      return await reply.code(201).header('x-ms-request-server-encrypted', 'true').send()
    }
    if (request.query.comp !== 'page') throw invalid('comp', 'page', request.query.comp)
    const { size } = await stat(blob.path)
    const range = readRange(request.headers['x-ms-range'] ?? request.headers.range, size)
    if (range === undefined || range.first % page !== 0 || (range.last + 1) % page !== 0)
      throw invalid('Range', 'bytes=FIRST-LAST, in whole pages of 512 bytes', String(request.headers.range ?? 'none'))
    const length = range.last - range.first + 1
    const clear = request.headers['x-ms-page-write'] === 'clear'
    const body = clear ? Buffer.alloc(Math.min(length, pageLimit)) : (request.body as Buffer | undefined)
    if (body === undefined || body.length !== length)
      throw invalid('Content-Length', String(length), String(body?.length ?? 0))
    const file = await open(blob.path, 'r+')
    try {
      await file.write(body, 0, length, range.first)
    } finally {
      await file.close()
    }
    return await reply.code(201).send()
  })
  return app
}

async function* bytesOf(blob: BlobFile, size: number, first: number, last: number): AsyncGenerator<Buffer> {
  if (first < size) {
    for await (const chunk of createReadStream(blob.path, { start: first, end: Math.min(last, size - 1) }))
      yield chunk as Buffer
  }
  if (last >= size) yield Buffer.from(fixedVhdFooter(size).subarray(Math.max(first - size, 0), last - size + 1))
}

/** RFC 9110 section 14.1.2, one range. @throws ServiceError InvalidRange */
function readRange(header: string | string[] | undefined, total: number): { first: number; last: number } | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(String(header))
  const [, from = '', to = ''] = match ?? []
  const first = from === '' ? Math.max(total - Number(to), 0) : Number(from)
  const last = from === '' || to === '' ? total - 1 : Math.min(Number(to), total - 1)
  if (match !== null && (from !== '' || Number(to) > 0) && first <= last && first < total) return { first, last }
  throw new ServiceError({
    code: 'InvalidRange',
    message: 'The range specified is invalid for the current size of the resource.',
    target: 'Range',
    expected: `within 0 to ${total - 1}`,
    found: String(header).slice(0, 60),
    headers: { 'content-range': `bytes */${total}` },
  })
}

const readOnly = (): ServiceError =>
  new ServiceError({
    code: 'AuthorizationPermissionMismatch',
    message: 'This request is not authorized to perform this operation using this permission.',
    expected: 'an address granted for writing (sp=rw)',
    found: 'sp=r',
    remedy: 'Create a disk with createOption Upload and grant write access to it.',
  })

const invalid = (target: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'InvalidHeaderValue',
    message: `The value for ${target} is not in the correct format.`,
    target,
    expected,
    found: found.slice(0, 60),
  })
