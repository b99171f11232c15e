import { request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { ErrorBody } from '@strongroom/contract'
import { CliError } from '../core/cli-error.ts'

export interface Response {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The body as it came. */
  bytes: Uint8Array
  /** Parsed where the server sent JSON. */
  json: unknown
}

export interface HttpsClient {
  request(options: { method: string; url: string; token?: string; body?: unknown }): Promise<Response>
  close(): void
}

/** Speaks to the installation's TLS port whatever *.strongroom.internal name a URL has, trusting its CA alone. */
export function createHttpsClient(target: { port: number; caPem: string }): HttpsClient {
  const agent = new Agent({ keepAlive: true, ca: target.caPem, maxSockets: 8 })
  return {
    close: () => agent.destroy(),
    request: ({ method, url, token, body }) =>
      new Promise((resolve, reject) => {
        const { hostname, pathname, search } = new URL(url)
        const payload = body === undefined ? undefined : JSON.stringify(body)
        const sent = httpsRequest(
          {
            agent,
            method,
            host: '127.0.0.1',
            port: target.port,
            servername: hostname,
            path: pathname + search,
            timeout: 120_000,
            headers: {
              host: hostname,
              accept: 'application/json',
              ...(payload === undefined
                ? {}
                : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            },
          },
          (received) => {
            const chunks: Buffer[] = []
            received.on('data', (chunk: Buffer) => chunks.push(chunk))
            received.on('error', reject)
            received.on('end', () => {
              const bytes = Buffer.concat(chunks)
              const text = bytes.toString('utf8')
              const isJson = (received.headers['content-type'] ?? '').includes('json') && text !== ''
              resolve({
                status: received.statusCode ?? 0,
                headers: received.headers,
                text,
                bytes,
                json: isJson ? JSON.parse(text) : undefined,
              })
            })
          },
        )
        sent.on('timeout', () => sent.destroy(new Error('no answer within 120 s')))
        sent.on('error', (cause) =>
          reject(
            new CliError({
              code: 'ServerUnreachable',
              message: `The server at 127.0.0.1:${target.port} did not answer: ${cause.message}`,
              remedy: 'Look at `strongroom status`, and start it with `npm run up`.',
              exitCode: 5,
              cause,
            }),
          ),
        )
        sent.end(payload)
      }),
  }
}

/** Throws what the server refused, with its code and remedy. */
export function expectSuccess(response: Response): Response {
  if (response.status < 400) return response
  const body = response.json as Partial<ErrorBody> | undefined
  if (body?.error?.code !== undefined) throw CliError.fromDetail(body.error, response.status)
  throw new CliError({
    code: `Http${response.status}`,
    message: response.text.slice(0, 300),
    exitCode: response.status === 404 ? 4 : 1,
  })
}

/** The owner's token, through the unix socket. */
export async function fetchOwnerToken(
  socketPath: string,
  audience: string,
): Promise<{ token: string; expiresAt: number }> {
  const body = await askAsOwner<{ access_token: string; expires_in?: number }>(socketPath, '/token', { audience })
  return { token: body.access_token, expiresAt: Date.now() + (Number(body.expires_in ?? 300) - 60) * 1000 }
}

/** Asks through the unix socket that only the user who runs the server can open. */
export function askAsOwner<T>(socketPath: string, path: string, body: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const payload = JSON.stringify(body)
    const fail = (cause: Error): void =>
      reject(
        new CliError({
          code: 'OwnerSignInFailed',
          message: `Cannot sign in as owner through ${socketPath}: ${cause.message}`,
          remedy: 'Run the command as the user who started the server, with the same STRONGROOM_STATE_DIR.',
          exitCode: 5,
          cause,
        }),
      )
    const sent = httpRequest(
      {
        socketPath,
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
      },
      (received) => {
        const chunks: Buffer[] = []
        received.on('data', (chunk: Buffer) => chunks.push(chunk))
        received.on('end', () => {
          try {
            const answer = JSON.parse(Buffer.concat(chunks).toString('utf8')) as T | ErrorBody
            if (received.statusCode === 200) resolve(answer as T)
            else reject(CliError.fromDetail((answer as ErrorBody).error, received.statusCode ?? 500))
          } catch (error) {
            fail(error as Error)
          }
        })
      },
    )
    sent.on('error', fail)
    sent.end(payload)
  })
}
