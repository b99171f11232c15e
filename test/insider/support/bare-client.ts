import { Agent, request } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface ClientAnswer {
  status: number
  retryAfter: string | undefined
  code: string | undefined
}

type Dial = (host: string) => Promise<Socket>

/** Through the proxy of a guest's network, whose socket is at `path`. */
export const byProxy =
  (path: string): Dial =>
  (host) =>
    new Promise((resolve, reject) => {
      const socket = connect({ path })
      socket.once('error', reject)
      socket.once('data', (head) => {
        const [line] = String(head).split('\r\n', 1)
        if (line?.startsWith('HTTP/1.1 200')) resolve(socket)
        else reject(new Error(line))
      })
      socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nhost: ${host}:443\r\n\r\n`)
    })

/** As any program of the machine, to the TLS port. */
export const byPort =
  (port: number): Dial =>
  () =>
    Promise.resolve(connect({ port, host: '127.0.0.1' }))

export interface Client {
  post(url: string, body: object, headers?: Record<string, string>): Promise<ClientAnswer>
  close(): void
}

/** Requests to the installation's services on this many connections, without handling refusals. */
export function bareClient(o: { dial: Dial; caPem: string; connections: number }): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: o.connections })
  agent.createConnection = ((options: { host: string }, done: (error: Error | null, socket?: unknown) => void) => {
    const settle = async (): Promise<void> => {
      try {
        done(null, connectTls({ socket: await o.dial(options.host), servername: options.host, ca: o.caPem }))
      } catch (error) {
        done(error as Error)
      }
    }
    void settle()
    return undefined
  }) as never
  return {
    post: (url, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const sent = request(url, {
          agent,
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
        })
        sent.once('error', reject)
        sent.once('response', (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
          response.once('end', () => {
            const code = (JSON.parse(text) as { error?: { code?: string } }).error?.code
            resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], code })
          })
        })
        sent.end(JSON.stringify(body))
      }),
    close: () => agent.destroy(),
  }
}
