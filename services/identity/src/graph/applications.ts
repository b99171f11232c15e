import type { FastifyInstance } from '@strongroom/platform'
import type { CertificateRow, FederatedCredentialRow } from '../directory/store.ts'
import type { Principal } from '../directory/principals.ts'
import {
  assertRemovable,
  fits,
  invalid,
  isApplication,
  missing,
  objectOf,
  readFilter,
  text,
  type GraphOptions,
} from './directory.ts'

const base = '/v1.0/applications'

/** An application's object id is its application id here: the directory has one tenant. */
export function addApplications(app: FastifyInstance, o: GraphOptions): void {
  const find = async (id: string): Promise<Principal> => {
    const byAppId = /^appId='([^']+)'$/i.exec(id)?.[1]
    const found = await o.principals.byAppId(byAppId ?? id)
    if (found === undefined || !isApplication(found)) throw missing(id)
    return found
  }
  const view = async (principal: Principal): Promise<Record<string, unknown>> => ({
    id: principal.appId,
    appId: principal.appId,
    displayName: principal.displayName,
    identifierUris: [],
    signInAudience: 'AzureADMyOrg',
    keyCredentials: (await o.credentials.certificates(principal.appId)).map(certificateView),
    passwordCredentials: (await o.principals.secrets(principal.appId)).map(({ id, created_at: created }) => ({
      keyId: id,
      displayName: null,
      startDateTime: created,
      endDateTime: '2299-12-31T00:00:00Z',
      hint: null,
    })),
  })

  app.get(base, async (request) => {
    const filter = readFilter(request)
    const all = (await o.principals.list()).filter(isApplication)
    const views = await Promise.all(all.map(view))
    return { value: views.filter((each) => fits(filter, each)) }
  })
  app.post(base, async (request, reply) => {
    const body = objectOf(request.body)
    const displayName = text(body, 'displayName', 256)
    const principal = await o.principals.set({ appId: o.newId(), displayName })
    try {
      await setCertificates(o, principal.appId, body['keyCredentials'])
    } catch (error) {
      await o.principals.remove(principal.appId)
      throw error
    }
    return await reply.code(201).send(await view(principal))
  })
  app.get<{ Params: { id: string } }>(`${base}/:id`, async (request) => await view(await find(request.params.id)))
  app.patch<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    const { appId } = await find(request.params.id)
    const body = objectOf(request.body)
    if (body['displayName'] !== undefined)
      await o.principals.set({ appId, displayName: text(body, 'displayName', 256) })
    await setCertificates(o, appId, body['keyCredentials'])
    return await reply.code(204).send()
  })
  app.delete<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    const principal = await find(request.params.id)
    assertRemovable(o, principal)
    await o.principals.remove(principal.appId)
    return await reply.code(204).send()
  })
  addPasswords(app, o, find)
  addFederated(app, o, find)
}

type Find = (id: string) => Promise<Principal>

function addPasswords(app: FastifyInstance, o: GraphOptions, find: Find): void {
  app.post<{ Params: { id: string } }>(`${base}/:id/addPassword`, async (request) => {
    const { appId } = await find(request.params.id)
    const secretText = await o.principals.addSecret(appId)
    const newest = (await o.principals.secrets(appId)).at(-1)
    return {
      keyId: newest?.id,
      displayName: null,
      startDateTime: newest?.created_at,
      endDateTime: '2299-12-31T00:00:00Z',
      hint: secretText.slice(0, 3),
      secretText,
    }
  })
  app.post<{ Params: { id: string } }>(`${base}/:id/removePassword`, async (request, reply) => {
    const { appId } = await find(request.params.id)
    await o.principals.removeSecret(appId, text(objectOf(request.body), 'keyId', 64))
    return await reply.code(204).send()
  })
}

function addFederated(app: FastifyInstance, o: GraphOptions, find: Find): void {
  const list = `${base}/:id/federatedIdentityCredentials`
  const view = (row: FederatedCredentialRow): object => ({
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    subject: row.subject,
    audiences: [row.audience],
    description: null,
  })
  app.get<{ Params: { id: string } }>(list, async (request) => {
    const { appId } = await find(request.params.id)
    return { value: (await o.credentials.federated(appId)).map(view) }
  })
  app.post<{ Params: { id: string } }>(list, async (request, reply) => {
    const { appId } = await find(request.params.id)
    const body = objectOf(request.body)
    const issuer = text(body, 'issuer', 600)
    if (!issuer.startsWith('https://')) throw invalid('issuer', 'an https URL', issuer.slice(0, 80))
    const audiences = Array.isArray(body['audiences']) ? body['audiences'] : []
    const [audience] = audiences as unknown[]
    if (audiences.length !== 1 || typeof audience !== 'string' || audience.length > 600)
      throw invalid('audiences', 'a list of one text', `${audiences.length} members`)
    const row = await o.credentials.addFederated({
      appId,
      name: text(body, 'name', 120),
      issuer,
      subject: text(body, 'subject', 600),
      audience,
    })
    return await reply.code(201).send(view(row))
  })
  app.get<{ Params: { id: string; credential: string } }>(`${list}/:credential`, async (request) => {
    const { appId } = await find(request.params.id)
    const { credential } = request.params
    const row = (await o.credentials.federated(appId)).find(({ id, name }) => id === credential || name === credential)
    if (row === undefined) throw missing(credential)
    return view(row)
  })
  app.delete<{ Params: { id: string; credential: string } }>(`${list}/:credential`, async (request, reply) => {
    const { appId } = await find(request.params.id)
    if (!(await o.credentials.removeFederated(appId, request.params.credential)))
      throw missing(request.params.credential)
    return await reply.code(204).send()
  })
}

const certificateView = (row: CertificateRow): object => ({
  keyId: row.id,
  type: 'AsymmetricX509Cert',
  usage: 'Verify',
  displayName: row.display_name,
  customKeyIdentifier: Buffer.from(row.sha1, 'base64url').toString('hex').toUpperCase(),
  startDateTime: row.not_before,
  endDateTime: row.not_after,
  key: null,
})

/** As in Graph: the given list replaces the existing one; existing members come without their key. */
async function setCertificates(o: GraphOptions, appId: string, given: unknown): Promise<void> {
  if (given === undefined || given === null) return
  if (!Array.isArray(given)) throw invalid('keyCredentials', 'a list', typeof given)
  const members = given.map(objectOf)
  const kept = new Set(members.map((member) => member['keyId']))
  for (const member of members) {
    if (typeof member['key'] !== 'string') continue
    // az sends the base64 of the certificate's DER.
    const der = Uint8Array.from(Buffer.from(member['key'], 'base64'))
    const displayName = typeof member['displayName'] === 'string' ? member['displayName'].slice(0, 256) : undefined
    const row = await o.credentials.addCertificate({ appId, der, ...(displayName !== undefined && { displayName }) })
    kept.add(row.id)
  }
  await o.credentials.removeCertificates(appId, (row) => kept.has(row.id))
}
