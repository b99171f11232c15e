import { Agent } from 'node:https'
import type { ErrorBody } from '@strongroom/contract'
import { exchange, HttpFailure, type HttpAnswer } from '@strongroom/platform/http-client'
import type { HttpsClient, Response } from '../core/connection.ts'
import { CliError } from '../core/cli-error.ts'

/** Milliseconds without data, and the longest answer in bytes. */
const [silent, answerLimit] = [120_000, 256 * 1024 * 1024]

/** Connects to the installation's TLS port for any *.strongroom.internal name in a URL, trusting only its CA. */
export function createHttpsClient(target: { port: number; caPem: string }): HttpsClient {
  const agent = new Agent({ keepAlive: true, ca: target.caPem, maxSockets: 8 })
  return {
    close: () => agent.destroy(),
    request: async ({ method, url: address, token, body, bytes, headers: more }) => {
      const url = new URL(address)
      const headers = {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(bytes !== undefined && { 'content-type': 'application/octet-stream' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...more,
      }
      const answer = await exchange({
        method,
        url,
        headers,
        ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
        ...(bytes !== undefined && { body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) }),
        agent,
        via: { host: '127.0.0.1', port: target.port, servername: url.hostname },
        patience: { silent },
        answerLimit,
      }).catch((cause: unknown) => {
        if (!(cause instanceof HttpFailure)) throw cause
        throw new CliError({
          code: 'ServerUnreachable',
          message: `The server at 127.0.0.1:${target.port} did not answer: ${cause.message}`,
          remedy: 'Check `strongroom status`, which shows how to start it.',
          exitCode: 5,
          cause,
        })
      })
      return responseOf(answer)
    },
  }
}

function responseOf({ status, headers, body: bytes }: HttpAnswer): Response {
  const text = bytes.toString('utf8')
  const isJson = (headers['content-type'] ?? '').includes('json') && text !== ''
  return { status, headers, text, bytes, json: isJson ? JSON.parse(text) : undefined }
}

/** Throws the server's refusal, with its code and remedy. */
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

/** Calls the unix socket that only the server's user can open. */
export async function askAsOwner<T>(socketPath: string, path: string, body: object): Promise<T> {
  const fail = (cause: Error): CliError =>
    new CliError({
      code: 'OwnerSignInFailed',
      message: `Cannot sign in as owner through ${socketPath}: ${cause.message}`,
      remedy: 'Run the command as the user who started the server, with the same STRONGROOM_STATE_DIR.',
      exitCode: 5,
      cause,
    })
  let status: number
  let answer: T | ErrorBody
  try {
    const received = await exchange({
      method: 'POST',
      url: new URL(path, 'http://localhost'),
      via: socketPath,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
      patience: { silent },
      answerLimit,
    })
    status = received.status
    answer = JSON.parse(received.body.toString('utf8')) as T | ErrorBody
  } catch (cause) {
    throw fail(cause as Error)
  }
  if (status === 200) return answer as T
  throw CliError.fromDetail((answer as ErrorBody).error, status)
}
