import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { rm } from 'node:fs/promises'
import { exchange } from '@strongroom/platform/http-client'

/** What the guest's agent receives: keys and values, in order, with a key once per value. */
export type Provisioning = [key: string, value: Buffer][]

export interface Lies {
  /** Changes any answer to the guest. */
  answer?: (asked: { method: string; path: string }, body: Buffer) => Buffer
  /** Changes the guest's provisioning settings. */
  provisioning?: (told: Provisioning) => Provisioning
  /** Whether the guest's boot report is taken and reaches nobody. */
  keepsReport?: () => boolean
  /** Changes the guest's boot report. */
  report?: (body: Buffer) => Buffer
  /** Acts when the guest hands in the result of a command; if it throws, nobody gets that. */
  result?: () => Promise<void>
}

/** Sits between the guest and its metadata endpoint. */
export class MetadataLiar {
  readonly #lies: Lies
  #server: Server | undefined
  /** The guest's last boot report, as sent. */
  heard: Buffer | undefined
  /** Whether the guest asked at all. */
  asked = false

  constructor(lies: Lies = {}) {
    this.#lies = lies
  }

  /** @param runtime returns the folder with the endpoint’s own socket, once there is one */
  async listen(socket: string, runtime: () => Promise<string>): Promise<void> {
    await rm(socket, { force: true })
    const server = createServer((incoming, outgoing) => {
      this.#answer(incoming, outgoing, runtime).catch(() => outgoing.destroy())
    })
    this.#server = server
    await new Promise<void>((done) => server.listen(socket, done))
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse, runtime: () => Promise<string>): Promise<void> {
    this.asked = true
    const path = incoming.url ?? '/'
    let body = await read(incoming)
    if (path.startsWith('/metadata/strongroom/ready')) {
      this.heard = body
      if (this.#lies.keepsReport?.() === true) return void outgoing.writeHead(200).end('{}')
      body = this.#lies.report?.(body) ?? body
    }
    if (/^\/metadata\/strongroom\/commands\/[0-9a-f-]{36}$/.test(path)) await this.#lies.result?.()
    // A guest sends no header twice.
    const headers = { ...(incoming.headers as Record<string, string>), 'content-length': String(body.length) }
    const answer = await exchange({
      method: incoming.method ?? 'GET',
      url: new URL(path, 'http://metadata'),
      via: `${await runtime()}/metadata.real`,
      headers,
      body,
      patience: { silent: 120_000 },
      answerLimit: 64 * 1024 * 1024,
    })
    let told = answer.body
    const lie = this.#lies.provisioning
    if (lie !== undefined && path.startsWith('/metadata/strongroom/provisioning')) told = encode(lie(decode(told)))
    told = this.#lies.answer?.({ method: incoming.method ?? 'GET', path }, told) ?? told
    const { 'content-length': _length, 'transfer-encoding': _coding, ...kept } = answer.headers
    outgoing.writeHead(answer.status, { ...kept, 'content-length': String(told.length) })
    outgoing.end(told)
  }
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const decode = (text: Buffer): Provisioning =>
  text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.split(' ')[0] ?? '', Buffer.from(line.split(' ')[1] ?? '', 'base64')])

const encode = (lines: Provisioning): Buffer =>
  Buffer.from(lines.map(([key, value]) => `${key} ${value.toString('base64')}\n`).join(''))
