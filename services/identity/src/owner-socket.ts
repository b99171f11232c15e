import { chmod, mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Shape } from '@strongroom/contract/shape'
import {
  descriptionPath,
  deviceDecision,
  deviceQuestion,
  nothingSaid,
  openApiOf,
  ownerSocketWire,
  ownerTokenRequest,
  type DeviceSignInView,
} from '@strongroom/contract/wires'
import {
  boundConnections,
  createHttpServer,
  read,
  requireSameRoutes,
  ServiceError,
  toErrorBody,
  type Clock,
  type Logger,
} from '@strongroom/platform'
import { issueLoginCertificate } from './login-certificate.ts'
import type { Credentials } from './directory/credentials.ts'
import type { DeviceCodes, DeviceSignIn } from './device/device-codes.ts'
import type { Principal } from './directory/principals.ts'
import type { SignIns } from './browser/sign-ins.ts'
import type { TokenIssuer } from './tokens/tokens.ts'

const bodyLimit = 4 * 1024
const loginName = 'strongroom env --login'
/** Each sign-in creates a key; those of the last few shells stay valid. */
const keptLogins = 5

/** Parses and answers a body of `ownerSocketWire`. */
export type OwnerRoute = (body: unknown) => Promise<object>

const readBody = <T>(shape: Shape<T>, body: unknown): T =>
  read(shape, body, { code: 'InvalidRequestContent', subject: 'The request' })

/** What the owner may do without a secret, from `ownerSocketWire`. */
export function ownerRoutes(o: {
  owner: Principal
  tokens: TokenIssuer
  credentials: Credentials
  devices: DeviceCodes
  signIns: SignIns
  clock: Clock
  tenantId: string
}): Record<string, OwnerRoute> {
  return {
    '/token': async (body) => {
      const { audience } = readBody(ownerTokenRequest, body)
      const issued = await o.tokens.access(o.owner, audience)
      return { access_token: issued.accessToken, expires_in: issued.expiresIn }
    },
    '/login-certificate': async (body) => {
      readBody(nothingSaid, body)
      const { der, pem } = await issueLoginCertificate(o.clock)
      const held = (await o.credentials.certificates(o.owner.appId)).filter((row) => row.display_name === loginName)
      const old = new Set(held.slice(0, Math.max(0, held.length - keptLogins + 1)).map(({ id }) => id))
      await o.credentials.removeCertificates(o.owner.appId, (row) => !old.has(row.id))
      await o.credentials.addCertificate({ appId: o.owner.appId, der, displayName: loginName })
      return { client_id: o.owner.appId, tenant_id: o.tenantId, pem }
    },
    '/device': async (body) => {
      const { user_code: code, approve, client_id: clientId = '', audiences = [] } = readBody(deviceDecision, body)
      return shownAs(await o.devices.decide(code, approve ? { clientId, audiences } : undefined))
    },
    '/device-sign-in': async (body) => shownAs(await o.devices.waiting(readBody(deviceQuestion, body).user_code)),
    '/sign-in-code': async (body) => {
      readBody(nothingSaid, body)
      const { code, expiresIn } = o.signIns.code()
      return { code, expires_in: expiresIn }
    },
  }
}

const shownAs = (asked: DeviceSignIn): DeviceSignInView => ({
  client_id: asked.clientId,
  scope: asked.scope,
  audiences: asked.audiences,
  ...(asked.clientName !== undefined && { client_name: asked.clientName }),
  ...(asked.askedFrom !== undefined && { asked_from: asked.askedFrom }),
  expires_at: asked.expiresAt,
})

/** STATE/run/owner.sock in a directory of mode 0700: whoever can open it is the owner, without a secret. */
export class OwnerSocket {
  readonly #path: string
  readonly #directory: string
  readonly #server: Server
  readonly #logger: Logger

  /** @throws TypeError if the routes differ from `ownerSocketWire` */
  constructor(o: { stateDir: string; logger: Logger; routes: Record<string, OwnerRoute> }) {
    requireSameRoutes(
      ownerSocketWire,
      Object.keys(o.routes).map((path) => `POST ${path}`),
    )
    this.#directory = join(o.stateDir, 'run')
    this.#path = join(this.#directory, 'owner.sock')
    this.#logger = o.logger
    this.#server = createHttpServer((request, response) => {
      void answer(request, response, o.routes).catch((error: unknown) => {
        const wire = toErrorBody(error)
        if (wire.unexpected) this.#logger.error({ err: error }, 'owner socket')
        send(response, wire.status, wire.body)
      })
    })
  }

  async listen(): Promise<void> {
    boundConnections(this.#server, { most: 64 })
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await chmod(this.#directory, 0o700)
    if (Buffer.byteLength(this.#path) > 107) {
      throw new ServiceError({
        code: 'StateDirectoryTooLong',
        message: 'The path of the state directory is too long for a socket in it.',
        expected: 'at most 91 bytes',
        found: `${Buffer.byteLength(this.#path) - Buffer.byteLength('/run/owner.sock')} bytes`,
        remedy: 'Choose a shorter state directory.',
      })
    }
    if (await answers(this.#path)) {
      throw new ServiceError({
        code: 'AlreadyRunning',
        message: 'Another server is using this state directory.',
        found: this.#path,
        remedy: 'Stop it first: strongroom down',
      })
    }
    // Left behind by a killed server.
    await rm(this.#path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#path, () => resolve())
    })
    await chmod(this.#path, 0o600)
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Record<string, OwnerRoute>,
): Promise<void> {
  if (request.method === 'GET' && request.url === descriptionPath) {
    send(response, 200, openApiOf(ownerSocketWire))
    return
  }
  const route =
    request.method === 'POST' && Object.hasOwn(routes, request.url ?? '') ? routes[request.url ?? ''] : undefined
  if (route === undefined) {
    const all = Object.keys(routes).join(', ')
    throw new ServiceError({ code: 'NotFound', message: `Only POST ${all} is available here.` })
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) throw invalid(`a body of more than ${bodyLimit} bytes`)
    chunks.push(chunk)
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw invalid('no JSON')
  }
  send(response, 200, await route(body))
}

function invalid(found: string): ServiceError {
  return new ServiceError({
    code: 'InvalidRequestContent',
    message: 'The request is incomplete.',
    expected: 'a JSON object, for a token {"audience": "https://management.azure.com/"}',
    found,
  })
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

/** Whether someone listens on the socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
