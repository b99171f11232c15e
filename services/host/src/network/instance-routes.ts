import type { AnySpec, AttachedDisk } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import type { AttestedDocuments } from './attested-document.ts'
import { instanceMetadata } from './instance-metadata.ts'
import { findNode, textOf } from './metadata/metadata-tree.ts'
import { metadataVersions, requireVersion } from './metadata/metadata-versions.ts'
import { scheduledEventRoutes, type PlannedEvents } from './scheduled-events.ts'

type Query = Record<string, string | string[] | undefined>

const documentVersions = metadataVersions.filter((version) => version >= '2018-10-01')

/** `/metadata/instance` with its parts, `/metadata/attested/document`, `/metadata/versions`, `/metadata/scheduledevents`. */
export function instanceRoutes(
  scope: FastifyInstance,
  o: {
    spec: AnySpec
    subscriptionId: string
    documents: AttestedDocuments
    dataDisks?(): AttachedDisk[]
    events?: PlannedEvents
  },
): void {
  scope.get('/versions', async () => ({ apiVersions: metadataVersions }))

  scope.get<{ Params: { '*'?: string }; Querystring: Query }>('/instance', async (request, reply) => {
    const node = instanceMetadata({ ...o, version: requireVersion(request.query) })
    return formatOf(request.query) === 'text' ? await reply.type('text/plain; charset=utf-8').send(textOf(node)) : node
  })
  scope.get<{ Params: { '*': string }; Querystring: Query }>('/instance/*', async (request, reply) => {
    const version = requireVersion(request.query)
    const path = request.params['*'].split('/').filter((part) => part !== '')
    const node = findNode(instanceMetadata({ ...o, version }), path)
    if (formatOf(request.query) === 'text') return await reply.type('text/plain; charset=utf-8').send(textOf(node))
    if (typeof node === 'string') throw leafNeedsText()
    return await reply.type('application/json; charset=utf-8').send(JSON.stringify(node))
  })

  scope.get<{ Querystring: Query }>('/attested/document', async (request) => {
    requireVersion(request.query, documentVersions)
    const nonce = request.query['nonce']
    if (nonce !== undefined && (typeof nonce !== 'string' || !/^\d{1,10}$/.test(nonce))) throw invalidNonce()
    return await o.documents.document({ ...o, ...(nonce !== undefined && { nonce }) })
  })

  scheduledEventRoutes(scope, { name: o.spec.name, ...(o.events !== undefined && { events: o.events }) })
  scope.get('/loadbalancer', async (request) => {
    requireVersion(request.query)
    throw new ServiceError({ code: 'NotFound', message: 'No load balancer metadata is found' })
  })
}

function formatOf(query: Query): 'json' | 'text' {
  const format = query['format']
  if (format === undefined || format === 'json') return 'json'
  if (format === 'text') return 'text'
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The format is not supported',
    target: 'format',
    expected: 'json or text',
  })
}

/** Azure's rule: a single value has no JSON form there. */
const leafNeedsText = (): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. A single value is given as text only: add format=text',
    target: 'format',
    expected: 'text',
    found: 'json',
  })

const invalidNonce = (): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The nonce is not a number of at most 10 digits',
    target: 'nonce',
    expected: 'up to 10 digits',
  })
