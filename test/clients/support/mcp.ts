import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Json } from '../conversations/replay.ts'

/** Azure's MCP server, with its package's program for this machine. */
export const mcpPackages: Record<string, string> = { '@azure/mcp': '2.0.5', '@azure/mcp-linux-x64': '2.0.5' }

interface Answer {
  result?: Json
  error?: { message: string }
}

export interface ToolOutcome {
  failed: boolean
  /** The tool's text, unchanged. */
  text: string
  /** Its `results`. */
  results: Json
}

/** A server of the Model Context Protocol on its standard input and output, with a client that accepts its requests. */
export class McpServer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #calls = 0
  /** Consents that the server requested. */
  readonly asked: string[] = []
  stderr = ''

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line))
    child.once('close', () => {
      for (const done of this.#waiting.values()) done({ error: { message: `the server ended: ${this.stderr}` } })
    })
  }

  /** Starts the program and greets it. */
  static async start(file: string, args: string[], o: { cwd: string; env: NodeJS.ProcessEnv }): Promise<McpServer> {
    const server = new McpServer(spawn(file, args, o))
    const clientInfo = { name: 'strongroom-tests', version: '1' }
    const greeting = { protocolVersion: '2025-06-18', capabilities: { elicitation: {} }, clientInfo }
    const { serverInfo } = await server.request('initialize', greeting)
    server.#say({ method: 'notifications/initialized' })
    server.info = serverInfo
    return server
  }

  info: { name: string; version: string } | undefined

  /** @throws if the server answers with a protocol error */
  async request(method: string, params: unknown): Promise<Answer['result']> {
    const id = ++this.#calls
    const answer = new Promise<Answer>((done) => this.#waiting.set(id, done))
    this.#say({ id, method, params })
    const { result, error } = await answer
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }

  async tool(name: string, args: Record<string, unknown>): Promise<ToolOutcome> {
    const { isError, content } = await this.request('tools/call', { name, arguments: args })
    const text = (content as { text: string }[]).map((part) => part.text).join('')
    return { failed: isError === true, text, results: text.startsWith('{') ? JSON.parse(text).results : undefined }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.stdin.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(late)
  }

  #say(message: object): void {
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }

  #take(line: string): void {
    // The server also prints a plain line when it looks for a display.
    if (!line.startsWith('{')) return
    const message = JSON.parse(line) as Answer & { id?: number; method?: string; params?: { message: string } }
    if (message.id === undefined) return
    if (message.method === undefined) {
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
      return
    }
    this.asked.push(message.params?.message ?? message.method)
    this.#say({ id: message.id, result: { action: 'accept', content: { decision: 'accept' } } })
  }
}
